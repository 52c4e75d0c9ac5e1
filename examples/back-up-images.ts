// Backs images and checkpoints up to a directory, as skopeo reads it. `client.images.copyFrom(layout, …)` brings them back.
// node back-up-images.js <directory> <image>...
import { connect, fromEnv } from "containerd-client";
import { copy, LayoutStore } from "containerd-client/content";

const [directory, ...refs] = process.argv.slice(2);
if (directory === undefined || refs.length === 0) throw new Error("Usage: back-up-images.js <directory> <image>...");

await using client = await connect(fromEnv());
const layout = await LayoutStore.open(directory, { create: true });
for (const ref of refs) {
  const { name, target } = await client.images.get(ref);
  const { copied, present, bytes } = await copy(client.content, layout, target);
  await layout.index.tag(name, target);
  console.log(`${name}: ${copied} blobs with ${bytes} bytes came, ${present} were there`);
}
for await (const { name, target } of layout.index.list()) console.log(`${name} is ${target.digest}`);
