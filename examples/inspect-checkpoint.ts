// Tells what a checkpoint holds, without thawing it: whose it is, its parts, and the files criu left in its dump.
// node inspect-checkpoint.js <checkpoint>
import { connect, fromEnv } from "containerd-client";
import { listTarMembers, readCheckpoint } from "containerd-client/checkpoint";

const [ref] = process.argv.slice(2);
if (ref === undefined) throw new Error("Usage: inspect-checkpoint.js <checkpoint>");

await using client = await connect(fromEnv());
const image = await client.images.get(ref);
const checkpoint = await readCheckpoint(client.content, image.target);

const { containerId, createdAt, snapshotter, runtime, task, rw, spec, others } = checkpoint;
console.log(`container    ${containerId ?? "unknown"}`);
console.log(`captured     ${createdAt?.toISOString() ?? "unknown"}`);
console.log(`base image   ${checkpoint.image.name ?? "none"} ${checkpoint.image.digest ?? ""}`);
console.log(`runtime      ${runtime.name ?? "unknown"}, snapshotter ${snapshotter ?? "unknown"}`);
console.log(`spec         ${spec === undefined ? "none" : `${spec.size} bytes`}`);
console.log(`rw layer     ${rw === undefined ? "none" : `${rw.size} bytes, ${rw.mediaType}`}`);
console.log(`other parts  ${others.length}`);
console.log(`memory       ${task === undefined ? "none" : `${task.size} bytes`}`);
if (task !== undefined) {
  // Only the headers are read, however large the memory is.
  for await (const { name, size } of listTarMembers(client.content, task)) console.log(`  ${name}  ${size} bytes`);
}
