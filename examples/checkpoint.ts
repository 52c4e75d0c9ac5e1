// Freezes a container into an image and tells what went into it. The container runs on.
// node checkpoint.js <container> <checkpoint>
import { connect, fromEnv } from "containerd-client";

const [id, ref] = process.argv.slice(2);
if (id === undefined || ref === undefined) throw new Error("Usage: checkpoint.js <container> <checkpoint>");

await using client = await connect(fromEnv());
const container = await client.containers.get(id);
const checkpoint = await container.checkpoint(ref, [], {
  onProgress: ({ phase, part, bytes }) => console.log(part === undefined ? phase : `${phase}: ${part} ${bytes} bytes`),
});

const parts = {
  memory: checkpoint.task,
  "changed files": checkpoint.rw,
  spec: checkpoint.spec,
  "criu options": checkpoint.criuOptions,
  "runtime options": checkpoint.runtime.options,
  "base image": checkpoint.image.descriptor,
};
for (const [name, part] of Object.entries(parts)) {
  if (part !== undefined) console.log(`${name.padEnd(16)}${String(part.size).padStart(10)} bytes  ${part.digest}`);
}
console.log(`${ref} is ${checkpoint.target.digest}`);
console.log(`paused for ${checkpoint.cost.pausedMs.toFixed(1)} ms of ${checkpoint.cost.totalMs.toFixed(1)} ms`);
