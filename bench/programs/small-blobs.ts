import { writeBlob } from "containerd-client/content";
import { program } from "../program.js";

const BLOB_BYTES = 4096;

/** COUNT AT_ONCE SEED LEASE: stores blobs that begin with the seed, so many of them at once. */
await program(async (client, [count, atOnce, seed, id = ""]) => {
  let number = 0;
  const work = async () => {
    while (number < Number(count)) {
      const blob = Buffer.alloc(BLOB_BYTES);
      blob.write(`${seed} ${number++}`);
      await writeBlob(client.content, blob, { mediaType: "application/octet-stream" }, { lease: { id } });
    }
  };
  await Promise.all(Array.from({ length: Number(atOnce) }, work));
  return { blobs: number };
});
