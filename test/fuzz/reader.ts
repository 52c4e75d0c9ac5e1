import { posix } from "node:path";
import { inspectArchive, readArchive } from "../../src/checkpoint/index.js";
import { isContainerdError } from "../../src/errors.js";
import { ByteReader } from "../../src/tar/byte-reader.js";
import { Dice } from "./mutate.js";

/** What came of many archives. */
export interface Outcome {
  cases: number;
  accepted: number;
  /** How often which class of error came. */
  readonly refused: Record<string, number>;
  /** What must not be: the first few of it. */
  readonly faults: string[];
  peakRssMiB: number;
}

const MOST_FAULTS = 10;

// A process of its own, so that the memory it needs is the reader's: archives come one after the other, each with its length.
const outcome: Outcome = { cases: 0, accepted: 0, refused: {}, faults: [], peakRssMiB: 0 };
const dice = new Dice(1);
const input = new ByteReader(
  process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
  "Cannot read the archives",
);
for (let length = await input.takeOrEnd(4); length !== undefined; length = await input.takeOrEnd(4)) {
  await attempt(await input.take(length.readUInt32LE(0)));
}
outcome.peakRssMiB = process.resourceUsage().maxRSS / 1024;
process.stdout.write(JSON.stringify(outcome, undefined, 1));

async function attempt(archive: Buffer): Promise<void> {
  const step = 1 + dice.below(20_000);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < archive.length; at += step) yield archive.subarray(at, at + step);
  }
  outcome.cases += 1;
  const source = dice.below(2) === 0 ? pieces : pieces();
  try {
    if (dice.below(2) === 0) await inspectArchive(source);
    else await readAll(source);
    outcome.accepted += 1;
  } catch (reason) {
    if (isContainerdError(reason)) outcome.refused[reason.code] = (outcome.refused[reason.code] ?? 0) + 1;
    else fault(reason instanceof Error ? (reason.stack ?? reason.message) : String(reason), archive);
  }
  if ("polluted" in {}) fault("a prototype was changed", archive);
}

function fault(what: string, archive: Buffer): void {
  if (outcome.faults.length < MOST_FAULTS) outcome.faults.push(`${what}\n${archive.toString("base64")}`);
}

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
