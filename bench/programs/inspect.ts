import { createReadStream } from "node:fs";
import { inspectArchive } from "containerd-client/checkpoint";

/** PATH: inspects an archive. */
const [path = ""] = process.argv.slice(2);
const inspection = await inspectArchive(createReadStream(path, { highWaterMark: 1024 * 1024 }));
if (inspection.processes.length === 0) throw new Error(`no processes in ${path}`);
process.stdout.write(`${JSON.stringify(inspection)}\n`);
