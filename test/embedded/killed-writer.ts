import { randomBytes } from "node:crypto";
import { Client } from "../../src/client/client.js";
import { writeBlob } from "../../src/content/blob.js";
import { createEmbedded } from "../../src/embedded/embedded.js";

// Writes to an embedded containerd, and tells each blob, image and container once it is there, until it is killed.
const [root = ""] = process.argv.slice(2);
const containerd = await createEmbedded({ root });
const client = new Client({ transport: containerd.transport, namespace: "killed" });
const label = { "containerd.io/gc.root": "yes" };
for (let at = 0; ; at++) {
  const bytes = randomBytes(1 + ((at * 7919) % 300_000));
  const target = await writeBlob(client.content, bytes, { mediaType: "x/y", labels: { ...label, at: `${at}` } });
  console.log(`blob ${target.digest}`);
  await client.images.create(`image-${at}`, target);
  console.log(`image image-${at}`);
  if (at > 0) {
    await client.images.delete(`image-${at - 1}`);
    console.log(`gone image-${at - 1}`);
  }
  await using writer = await client.content.writer(`left-${at}`);
  await writer.write(bytes);
  // Taken is not there yet: that is for the containerd to say.
  while ((await client.content.status(`left-${at}`)).offset === 0);
  console.log(`ingest left-${at}`);
}
