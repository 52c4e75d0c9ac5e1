import { open } from "node:fs/promises";
import { writeBlob } from "containerd-client/content";
import { type Digest, isDigest } from "containerd-client/oci";
import { program } from "../program.js";

const CHUNK_BYTES = 1024 * 1024;

/** PATH DIGEST SIZE LEASE told|untold: stores a file as a blob, of which the daemon is told beforehand what it will be, or afterwards. */
await program(async (client, [path = "", digest, size, id = "", how]) => {
  if (!isDigest(digest)) throw new Error(`no digest: ${digest}`);
  const call = { lease: { id } };
  if (how === "untold") {
    const blob = await writeBlob(client.content, chunksOf(path), { mediaType: "application/octet-stream" }, call);
    if (blob.digest !== digest || blob.size !== Number(size)) throw new Error(`stored ${blob.digest}, not ${digest}`);
    return { bytes: blob.size };
  }
  const expected: Digest = digest;
  await using writer = await client.content.writer("bench-ours", { size: Number(size), expected, ...call });
  for await (const chunk of chunksOf(path)) await writer.write(chunk);
  const { size: bytes } = await writer.commit();
  return { bytes };
});

/** A file's bytes, all of them in the same memory: a writer has taken a chunk when its call resolves. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(path);
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
