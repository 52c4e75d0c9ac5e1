import { posix } from "node:path";
import { inspectArchive, readArchive } from "../../src/checkpoint/index.js";
import { Dice } from "./mutate.js";
import { readCases } from "./outcome.js";

// A process of its own, so that the memory it needs is the reader's.
const dice = new Dice(1);
const outcome = await readCases(async (archive) => {
  const step = 1 + dice.below(20_000);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < archive.length; at += step) yield archive.subarray(at, at + step);
  }
  const source = dice.below(2) === 0 ? pieces : pieces();
  if (dice.below(2) === 0) await inspectArchive(source);
  else await readAll(source);
});
process.stdout.write(JSON.stringify(outcome, undefined, 1));

async function readAll(source: Parameters<typeof readArchive>[0]): Promise<void> {
  for await (const part of readArchive(source)) {
    if (!isBelow(part.name)) throw new Error(`escape by the name ${part.name}`);
    if (part.kind === "volume" && part.volume.includes("/")) throw new Error(`escape by the volume ${part.volume}`);
    if (part.kind === "deleted-files") {
      const outside = part.paths.find((path) => !isBelow(`.${path}`));
      if (outside !== undefined) throw new Error(`escape by the deleted file ${outside}`);
    }
    let bytes = 0;
    for await (const chunk of part.body) bytes += chunk.length;
    if (bytes !== part.size) throw new Error(`${part.name} has ${bytes} bytes, not ${part.size}`);
  }
}

/** Whether a name stays below the directory it is joined to. */
function isBelow(name: string): boolean {
  return name === "." || posix.resolve("/root", name).startsWith("/root/");
}
