import { parseArgs } from "node:util";
import { startDaemon } from "../lab/daemon.js";
import { whyNoLab } from "../lab/preflight.js";
import { type ReleaseName, releaseNames } from "../lab/releases.js";
import { type FaultRow, type Share, tally } from "../test/faults/case.js";
import { Scene, sceneDaemon } from "../test/faults/scene.js";
import { type FaultTableRow, faultRows } from "./fault-rows.js";
import { FaultTable } from "./fault-table.js";

interface Wanted {
  readonly release: ReleaseName;
  readonly verbose: boolean;
  /** How many daemons share a row out among them: most of the time is waiting. */
  readonly daemons: number;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs a share of a row on a daemon of its own: what one breaks does not spoil the next. */
async function runShare(row: FaultTableRow, by: "ours" | "ctr", share: Share, wanted: Wanted): Promise<FaultRow> {
  await using daemon = await startDaemon(wanted.release, { ...sceneDaemon, progress: say });
  await using scene = await Scene.open(daemon, "faults");
  const run = by === "ctr" && row.ctr !== undefined ? row.ctr : row.run;
  return await tally(row.fault, run(scene, share), ({ name, troubles }) => {
    if (wanted.verbose) say(`  ok    ${name}`);
    if (troubles.length > 0) say(`  ${by === "ctr" ? "ctr " : "FAIL"}  ${name}: ${troubles.join("; ")}`);
  });
}

async function runRow(row: FaultTableRow, by: "ours" | "ctr", wanted: Wanted): Promise<FaultRow> {
  const of = row.alone === true ? 1 : wanted.daemons;
  const shares = Array.from({ length: of }, (_, at) => runShare(row, by, { at, of }, wanted));
  const rows = await Promise.all(shares);
  return {
    fault: row.fault,
    cases: rows.reduce((sum, { cases }) => sum + cases, 0),
    failed: rows.flatMap(({ failed }) => failed),
  };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      release: { type: "string", default: "v21" },
      verbose: { type: "boolean", default: false },
      daemons: { type: "string", default: "2" },
      by: { type: "string" },
      results: { type: "string" },
    },
    allowPositionals: true,
  });
  const release = releaseNames.find((name): name is ReleaseName => name === values.release);
  if (release === undefined) throw new Error(`No release ${values.release}; there are ${releaseNames.join(", ")}`);
  const unknown = positionals.find((name) => !faultRows.some((row) => row.name === name));
  if (unknown !== undefined)
    throw new Error(`No row ${unknown}; there are ${faultRows.map(({ name }) => name).join(", ")}`);
  const why = await whyNoLab();
  if (why !== undefined) throw new Error(`The faults need a containerd with criu: ${why}`);
  const wanted: Wanted = { release, verbose: values.verbose, daemons: Number(values.daemons) };
  const table = new FaultTable(release, values.results);
  for (const row of faultRows) {
    if (positionals.length > 0 && !positionals.includes(row.name)) continue;
    for (const by of ["ours", "ctr"] as const) {
      if ((values.by ?? by) !== by || (by === "ctr" && row.ctr === undefined)) continue;
      const startedAt = Date.now();
      const { fault, cases, failed } = await runRow(row, by, wanted);
      table.add(fault, by, { cases, failed: failed.length });
      if (by === "ours" && failed.length > 0) process.exitCode = 1;
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
      say(`${by === "ctr" ? "ctr: " : ""}${fault}: ${cases} cases, ${failed.length} failed, ${seconds} s`);
    }
  }
  say(`\n${table.text(faultRows.map(({ fault }) => fault))}`);
}

await main();
