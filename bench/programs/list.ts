import { program } from "../program.js";

/** Lists all blobs and all containers of the namespace. */
await program(async (client) => {
  let blobs = 0;
  const startedAt = performance.now();
  for await (const _ of client.content.list()) blobs += 1;
  const listedAt = performance.now();
  let containers = 0;
  for await (const _ of client.containers.records()) containers += 1;
  return { blobs, blobsMs: listedAt - startedAt, containers, containersMs: performance.now() - listedAt };
});
