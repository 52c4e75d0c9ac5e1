// Writes a checkpoint as the archive that Podman or another engine restores from.
// node export-archive.js <checkpoint> <archive> [podman|cri-o|containerd-cri]
import { connect, fromEnv } from "containerd-client";
import type { ArchiveEngine } from "containerd-client/checkpoint";

const [ref, to, engine = "podman"] = process.argv.slice(2);
if (ref === undefined || to === undefined) throw new Error("Usage: export-archive.js <checkpoint> <archive> [engine]");

await using client = await connect(fromEnv());
await client.exportArchive(ref, { engine: engine as ArchiveEngine, to });
console.log(`${to} is ready: podman container restore --import ${to}`);
