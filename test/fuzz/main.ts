import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepareArchiveTools } from "../../lab/archive-tools.js";
import { fuzz } from "./fuzz.js";
import { compareListings } from "./listing.js";

const MOST_MIB = 128;
const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "120000" },
    imports: { type: "string", default: "20000" },
    diffs: { type: "string", default: "100000" },
    listings: { type: "string", default: "20000" },
    seed: { type: "string" },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const say = (line: string) => process.stdout.write(`${line}\n`);
say(`seed ${seed}`);

for (const [program, cases] of [
  ["reader", values.cases],
  ["extractor", values.diffs],
  ["importer", values.imports],
] as const) {
  const outcome = await fuzz(program, seed, Number(cases));
  say(`${program}: ${JSON.stringify(outcome, undefined, 1)}`);
  if (outcome.faults.length > 0 || outcome.peakRssMiB >= MOST_MIB) process.exitCode = 1;
}

const directory = await mkdtemp(join(tmpdir(), "listing-"));
try {
  const { bsdtar } = await prepareArchiveTools(say);
  const comparison = await compareListings(bsdtar, join(directory, "archive.tar"), seed, Number(values.listings));
  say(`listed by GNU tar and bsdtar, too: ${JSON.stringify(comparison, undefined, 1)}`);
  if (comparison.differences.length > 0) process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true });
}
