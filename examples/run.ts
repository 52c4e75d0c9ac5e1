// Makes a container from an image, runs a command in it with this process's own streams, and removes it.
// node run.js <image> [command] [arguments]
import { connect, fromEnv, streamIO } from "containerd-client";

const [image, ...args] = process.argv.slice(2);
if (image === undefined) throw new Error("Usage: run.js <image> [command] [arguments]");

await using client = await connect(fromEnv());
const container = await client.containers.create(`run-${process.pid}`, {
  image,
  args: args.length > 0 ? args : undefined,
});
try {
  const { stdin, stdout, stderr } = process;
  const task = await container.newTask({ io: streamIO({ stdin, stdout, stderr }) });
  await task.start();
  const { exitStatus } = await task.wait();
  await task.delete();
  process.exitCode = exitStatus;
} finally {
  await container.delete({ snapshot: true });
}
