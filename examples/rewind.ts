// Checkpoints a container before a risky command, runs the command in it, and goes back to the checkpoint when it fails.
// node rewind.js <container> <command> [arguments]
import { connect, fromEnv, streamIO, withRestoreLabels } from "containerd-client";

const [id, ...command] = process.argv.slice(2);
if (id === undefined || command.length === 0) throw new Error("Usage: rewind.js <container> <command> [arguments]");

await using client = await connect(fromEnv());
const container = await client.containers.get(id);
const { labels } = await container.info(); // A checkpoint never holds them.
const checkpoint = await container.checkpoint(`${id}:before-${Date.now()}`);

const task = await container.task();
const step = await task.exec(`step-${Date.now()}`, command, {
  io: streamIO({ stdout: process.stdout, stderr: process.stderr }),
});
await step.start();
const { exitStatus } = await step.wait();
await step.delete();

if (exitStatus === 0) {
  console.log(`${command[0]} succeeded, ${id} runs on`);
} else {
  await task.delete({ force: true });
  await container.delete({ snapshot: true });
  const before = await client.restore(id, checkpoint, [withRestoreLabels(labels)]);
  const thawed = await before.newTask({ checkpoint });
  await thawed.start();
  console.log(`${command[0]} failed with ${exitStatus}, ${id} is as it was before`);
}
await client.images.delete(checkpoint.ref, { sync: true });
