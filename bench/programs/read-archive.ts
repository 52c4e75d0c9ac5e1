import { createReadStream } from "node:fs";
import { readArchive } from "containerd-client/checkpoint";

/** PATH: reads all parts of an archive to their ends. */
const [path = ""] = process.argv.slice(2);
let bytes = 0;
for await (const part of readArchive(createReadStream(path, { highWaterMark: 1024 * 1024 }))) {
  for await (const chunk of part.body) bytes += chunk.length;
}
process.stdout.write(`${JSON.stringify({ bytes })}\n`);
