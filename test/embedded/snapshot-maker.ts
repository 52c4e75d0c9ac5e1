import { Client } from "../../src/client/client.js";
import { writeBlob } from "../../src/content/blob.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { MEDIA_TYPE_LAYER } from "../../src/oci/media-types.js";
import { writeTar } from "../../src/tar/tar.js";
import { bytesOf, file } from "../suites/snapshot-bed.js";

// Makes snapshots that stand on each other until it is killed, and tells each that is committed.
const [root = "", prefix = ""] = process.argv.slice(2);
const containerd = await createEmbedded({ root });
const client = new Client({ transport: containerd.transport, namespace: "maker" });
const lease = await client.leases.create();
const labels = { "containerd.io/gc.root": "yes" };
const snapshots = client.snapshots();

let parent = "";
for (let serial = 0; ; serial++) {
  const name = `${prefix}-${serial}`;
  const bytes = await bytesOf(writeTar([file(name, name.repeat(1000)), file("last", name)]));
  const layer = await writeBlob(client.content, bytes, { mediaType: MEDIA_TYPE_LAYER }, { lease });
  const mounts = await snapshots.prepare(`making ${name}`, parent, { lease, labels });
  await client.diffs.apply(layer, mounts, { lease });
  await snapshots.commit(name, `making ${name}`, { lease, labels });
  process.stdout.write(`${name}\n`);
  parent = name;
}
