// Thaws a checkpoint as a new container, shows what it prints until it ends, and removes it.
// node restore.js <checkpoint> <new container>
import { connect, fromEnv, streamIO } from "containerd-client";

const [ref, id] = process.argv.slice(2);
if (ref === undefined || id === undefined) throw new Error("Usage: restore.js <checkpoint> <new container>");

await using client = await connect(fromEnv());
const container = await client.restore(id, ref);
try {
  // The frozen processes write to pipes if that is what they had; with a terminal there would be no stderr.
  const io = streamIO({ stdout: process.stdout, stderr: process.stderr });
  const task = await container.newTask({ checkpoint: ref, io });
  await task.start();
  console.error(`${id} goes on as process ${task.pid}`);
  const { exitStatus } = await task.wait();
  await task.delete();
  console.error(`${id} ended with ${exitStatus}`);
} finally {
  await container.delete({ snapshot: true });
}
