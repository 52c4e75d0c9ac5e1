// Tells what is in a checkpoint archive of Podman, CRI-O, Kubernetes or Docker, or in an image made of one; no daemon is needed.
// node inspect-archive.js <archive> [checkpoint]
import { createReadStream } from "node:fs";
import { type DumpedProcess, inspectArchive } from "containerd-client/checkpoint";

const [path, checkpoint] = process.argv.slice(2);
if (path === undefined) throw new Error("Usage: inspect-archive.js <archive> [checkpoint]");

// A function, because where the memory comes first the archive is read once more.
const found = await inspectArchive(() => createReadStream(path), { checkpoint });

const { origin, image, runtime, sizes, statistics, networks } = found;
console.log(`container  ${found.containerName ?? "unknown"} ${found.containerId ?? ""}`);
console.log(
  `captured   ${found.createdAt?.toISOString() ?? "unknown"} by ${origin.engine} with ${runtime.name ?? "?"}`,
);
console.log(`image      ${image.name ?? "unknown"} ${image.digest ?? image.configDigest ?? ""}`);
for (const { name, addresses } of networks.flatMap(({ interfaces }) => interfaces)) {
  console.log(`network    ${name} ${addresses.join(" ")}`);
}
console.log(`dump       ${sizes.checkpoint} bytes, ${sizes.memoryPages} of memory`);
console.log(`files      ${sizes.rootfsDiff} bytes changed, ${found.deletedFiles.length} deleted`);
if (statistics !== undefined) console.log(`frozen     ${statistics.frozenTimeUs / 1000} ms`);

function show({ pid, args, command, files, children }: DumpedProcess, indent = "  "): void {
  console.log(`${indent}${pid} ${args?.join(" ") ?? command}`);
  for (const { fd, type, path: name, socket } of files) {
    const peer = socket?.destination;
    console.log(`${indent}    ${fd} ${type} ${peer === undefined ? name : `to ${peer.address} port ${peer.port}`}`);
  }
  for (const child of children) show(child, `${indent}  `);
}

console.log("processes");
for (const one of found.processes) show(one);
