// Freezes a counter and thaws it, in a containerd of its own: no daemon, no root. Scripts are tested in the same way.
// node embedded.js
import { arch } from "node:os";
import { createInterface } from "node:readline";
import { type Client, connect, streamIO, type Task, withCheckpointTaskExit } from "containerd-client";
import { gcLabels, writeBlob } from "containerd-client/content";
import { createEmbedded } from "containerd-client/embedded";

await using containerd = await createEmbedded();
await using client = await connect({ transport: containerd.transport });
const image = await emptyImage(client, "example.com/empty:1");
const container = await client.containers.create("counter", { image, args: ["counter"] });
const task = await container.newTask({ io: streamIO() });
await task.start();
await readUntil(task, 3);
const checkpoint = await container.checkpoint("counter:frozen", [withCheckpointTaskExit()]);
const copy = await client.restore("counter-2", checkpoint);
const thawed = await copy.newTask({ checkpoint, io: streamIO() });
await thawed.start();
await readUntil(thawed, 6);
await thawed.delete({ force: true });

async function readUntil({ id, io }: Task, last: number): Promise<void> {
  if (io.stdout === undefined) return;
  for await (const line of createInterface(io.stdout)) {
    console.log(`${id} says ${line}`);
    if (Number(line) >= last) break;
  }
}

/** An image without files: its one layer is the end of a tar. */
async function emptyImage({ content, images, leases }: Client, name: string): Promise<string> {
  await using lease = await leases.create();
  const write = (mediaType: string, bytes: Uint8Array | object, labels = {}) => {
    const data = bytes instanceof Uint8Array ? bytes : Buffer.from(JSON.stringify(bytes));
    return writeBlob(content, data, { mediaType: `application/vnd.oci.image.${mediaType}`, labels }, { lease });
  };
  const layer = await write("layer.v1.tar", new Uint8Array(1024));
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const architecture = arch() === "x64" ? "amd64" : arch();
  const config = await write("config.v1+json", { os: "linux", architecture, rootfs });
  const manifest = { schemaVersion: 2, config, layers: [layer] };
  await images.create(name, await write("manifest.v1+json", manifest, gcLabels([config, layer])), { lease });
  return name;
}
