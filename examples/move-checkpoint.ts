// Moves a checkpoint to another daemon, or another namespace, and thaws it there. What runs here runs on.
// node move-checkpoint.js <checkpoint> <address> <namespace> <new container>
import { connect, fromEnv } from "containerd-client";

const [ref, address, namespace, id] = process.argv.slice(2);
if (ref === undefined || address === undefined || namespace === undefined || id === undefined) {
  throw new Error("Usage: move-checkpoint.js <checkpoint> <address> <namespace> <new container>");
}

await using here = await connect(fromEnv());
await using there = await connect({ address, namespace });

// Blobs that are there already are not sent again. With no way from here to there: exportFile() and importFile().
let sent = 0;
for (const image of await there.images.copyFrom(here, ref, {
  onProgress: ({ state, descriptor }) => {
    if (state === "copied") sent += descriptor.size;
  },
})) {
  console.log(`${image.name} is ${image.target.digest}`);
}
console.log(`${sent} bytes sent`);

const container = await there.restore(id, ref);
const task = await container.newTask({ checkpoint: ref });
await task.start();
console.log(`${id} goes on as process ${task.pid}`);
