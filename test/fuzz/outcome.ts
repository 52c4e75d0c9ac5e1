import { isContainerdError } from "../../src/errors.js";
import { ByteReader } from "../../src/tar/byte-reader.js";

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

/** Takes archives from the standard input, one after the other, each with its length, and sees what comes of them. */
export async function readCases(attempt: (archive: Buffer) => Promise<void>): Promise<Outcome> {
  const outcome: Outcome = { cases: 0, accepted: 0, refused: {}, faults: [], peakRssMiB: 0 };
  const input = new ByteReader(
    process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    "Cannot read the archives",
  );
  for (let length = await input.takeOrEnd(4); length !== undefined; length = await input.takeOrEnd(4)) {
    const archive = await input.take(length.readUInt32LE(0));
    const fault = (what: string) => {
      if (outcome.faults.length < MOST_FAULTS) outcome.faults.push(`${what}\n${archive.toString("base64")}`);
    };
    outcome.cases += 1;
    try {
      await attempt(archive);
      outcome.accepted += 1;
    } catch (reason) {
      if (isContainerdError(reason)) outcome.refused[reason.code] = (outcome.refused[reason.code] ?? 0) + 1;
      else fault(reason instanceof Error ? (reason.stack ?? reason.message) : String(reason));
    }
    if ("polluted" in {}) fault("a prototype was changed");
  }
  outcome.peakRssMiB = process.resourceUsage().maxRSS / 1024;
  return outcome;
}
