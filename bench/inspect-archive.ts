import { createReadStream } from "node:fs";
import { inspectArchive } from "containerd-client/checkpoint";

/** Run as a program: inspects the archive and ends. */
const [path = ""] = process.argv.slice(2);
const { processes } = await inspectArchive(createReadStream(path, { highWaterMark: 1024 * 1024 }));
if (processes.length === 0) throw new Error(`no processes in ${path}`);
