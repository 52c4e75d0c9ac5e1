import { parseArgs } from "node:util";
import { startDaemon } from "../lab/daemon.js";
import { whyNoLab } from "../lab/preflight.js";
import { type ReleaseName, releaseNames } from "../lab/releases.js";
import { abort } from "../test/faults/abort.js";
import { type FaultCases, type FaultRow, tally } from "../test/faults/case.js";
import { crowd, oneRef } from "../test/faults/crowd.js";
import { cut } from "../test/faults/cut.js";
import { diskFull } from "../test/faults/disk-full.js";
import { killClient, ours, peer } from "../test/faults/kill-client.js";
import { killDaemon } from "../test/faults/kill-daemon.js";
import { killEngine } from "../test/faults/kill-engine.js";
import { lies, malicious } from "../test/faults/malicious/malicious.js";
import { Scene, sceneDaemon } from "../test/faults/scene.js";

interface Row {
  readonly name: string;
  readonly fault: string;
  readonly run: (scene: Scene) => FaultCases;
}

const DISK_KIB = [4, 16, 64, 128, 256, 384, 512, 1024, 2048, 4096];

const rows: readonly Row[] = [
  ...["checkpoint", "checkpoint-exit", "restore", "import", "export"].map((what) => ({
    name: "client",
    fault: `kill -9 of the client at every boundary of a ${what}`,
    run: (scene: Scene) => killClient(scene, ours(what)),
  })),
  {
    name: "peer",
    fault: "kill -9 of ctr at every boundary of its checkpoint",
    run: (scene: Scene) => killClient(scene, peer),
  },
  ...[300, 10_000].map((goneMs) => ({
    name: goneMs === 300 ? "daemon" : "daemon-long",
    fault: `kill -9 of the daemon at every boundary, back after ${goneMs} ms`,
    run: (scene: Scene) => killDaemon(scene, goneMs),
  })),
  ...(["containerd-shim", "runc", "criu"] as const).map((engine) => ({
    name: "engine",
    fault: `kill -9 of ${engine} during a checkpoint`,
    run: (scene: Scene) => killEngine(scene, engine, 20),
  })),
  { name: "abort", fault: "abort or deadline at a random moment", run: (scene) => abort(scene, 200) },
  { name: "cut", fault: "socket cut at a byte", run: (scene) => cut(scene, 10_000) },
  { name: "crowd", fault: "100 containers at once", run: (scene) => crowd(scene, 100) },
  { name: "crowd", fault: "100 checkpoints on one ref", run: (scene) => oneRef(scene, 100) },
  { name: "malicious", fault: "malicious daemon", run: () => malicious(lies, 100) },
  { name: "disk", fault: "disk full", run: (scene) => diskFull(scene, DISK_KIB) },
];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { release: { type: "string", default: "v21" }, verbose: { type: "boolean" } },
    allowPositionals: true,
  });
  const release = releaseNames.find((name): name is ReleaseName => name === values.release);
  if (release === undefined) throw new Error(`No release ${values.release}; there are ${releaseNames.join(", ")}`);
  const why = await whyNoLab();
  if (why !== undefined) throw new Error(`The faults need a containerd with criu: ${why}`);
  const wanted = rows.filter(({ name }) => (positionals.length === 0 ? name !== "peer" : positionals.includes(name)));
  const results: FaultRow[] = [];
  for (const { fault, run } of wanted) {
    // A daemon for each row: what one breaks does not spoil the next.
    await using daemon = await startDaemon(release, { ...sceneDaemon, progress: say });
    await using scene = await Scene.open(daemon, "faults");
    const startedAt = Date.now();
    const row = await tally(fault, run(scene), ({ name, troubles }) => {
      if (values.verbose === true) say(`  ok    ${name}`);
      if (troubles.length > 0) say(`  FAIL  ${name}: ${troubles.join("; ")}`);
    });
    results.push(row);
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
    say(`${fault}: ${row.cases} cases, ${row.failed.length} failed, ${seconds} s`);
  }
  say(`\n| fault (containerd ${release}) | cases | failed |\n|---|---|---|`);
  for (const { fault, cases, failed } of results) say(`| ${fault} | ${cases} | ${failed.length} |`);
  if (results.some(({ failed }) => failed.length > 0)) process.exitCode = 1;
}

await main();
