import { createReadStream } from "node:fs";
import { writeBlob } from "containerd-client/content";
import { program } from "../program.js";

const CHUNK_BYTES = 1024 * 1024;

/** PATH DIGEST SIZE LEASE: stores a file as a blob. */
await program(async (client, [path = "", digest, size, id = ""]) => {
  const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const blob = await writeBlob(client.content, source, { mediaType: "application/octet-stream" }, { lease: { id } });
  if (blob.digest !== digest || blob.size !== Number(size)) throw new Error(`stored ${blob.digest}, not ${digest}`);
  return { bytes: blob.size };
});
