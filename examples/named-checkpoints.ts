// Makes a checkpoint of a container under a name, keeps the newest three, and goes back to one when it is named.
// node named-checkpoints.js <container> create|restart <name>
import { connect, fromEnv } from "containerd-client";

const [id, what, name] = process.argv.slice(2);
if (id === undefined || name === undefined)
  throw new Error("Usage: named-checkpoints.js <container> create|restart <name>");

await using client = await connect(fromEnv());
const container = await client.containers.get(id);

if (what === "create") {
  await container.checkpoints.create(name);
  const { gone } = await container.checkpoints.prune({ keepLast: 3 });
  for (const { checkpoint, why } of gone) console.log(`${checkpoint.name} is gone: ${why}`);
} else {
  // The memory comes back; files are as the container has them now.
  await (await container.task()).delete({ force: true });
  const task = await container.newTask({ checkpoint: name });
  await task.start();
}
for await (const one of container.checkpoints.list()) console.log(`${one.name}, ${one.bytes} bytes`);
