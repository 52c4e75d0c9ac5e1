import { mkdir, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { whyNoLab } from "../lab/preflight.js";
import { labDirectory, repositoryRoot } from "../lab/repository.js";
import { Bench } from "./bench.js";
import type { FiguredLine } from "./figures.js";
import { buildGoClient, type GoClient } from "./go-client.js";
import { describeMachine } from "./machine.js";
import { type BenchOptions, parseOptions, USAGE } from "./options.js";
import { rows } from "./rows.js";
import { tableText } from "./table.js";

const progress = (line: string): void => void process.stderr.write(`${line}\n`);

async function goClient(wanted: boolean): Promise<GoClient | undefined> {
  if (!wanted) return undefined;
  try {
    return await buildGoClient(progress);
  } catch (reason) {
    // Its columns say so; all others are as good as ever.
    progress(`The Go client cannot be had: ${reason instanceof Error ? reason.message : String(reason)}`);
    return undefined;
  }
}

async function main(options: BenchOptions): Promise<void> {
  const why = await whyNoLab();
  if (why !== undefined) throw new Error(`The bench needs a containerd with criu: ${why}`);
  await mkdir(join(labDirectory(), "bench"), { recursive: true });
  const startedAt = new Date();
  const go = await goClient(options.go);
  const chosen = rows.filter(({ name }) => options.rows.length === 0 || options.rows.includes(name));
  const failed: string[] = [];
  const lines: FiguredLine[] = [];
  await using bench = await Bench.start({ ...options, go, progress });
  const machine = await describeMachine(bench, go);
  for (const row of chosen) {
    progress(`${row.name} (load ${loadavg()[0]?.toFixed(1)})`);
    try {
      await row.run(bench);
    } catch (reason) {
      failed.push(`${row.name}: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`);
    }
    const measured = bench.figures.of(row.lines);
    lines.push(...measured);
    if (measured.length > 0) progress(tableText(measured));
  }
  const facts = Object.entries({ ...machine, startedAt: startedAt.toISOString(), quick: options.quick });
  // Sizes are in the names of the lines, and those of a quick run are others.
  if (options.quick) facts.push(["sizes", "a sixteenth of those named, or less: only that it works can be seen here"]);
  process.stdout.write(`${facts.map(([name, fact]) => `${name}: ${fact}`).join("\n")}\n\n${tableText(lines)}\n`);
  const name = `${startedAt.toISOString().replaceAll(":", "-")}.json`;
  const file = options.json ?? join(repositoryRoot(), ".build", "bench-results", name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ machine, startedAt, quick: options.quick, lines, failed }, null, 2));
  process.stdout.write(`\nwritten to ${file}\n`);
  if (failed.length > 0) throw new Error(`These rows failed:\n${failed.join("\n")}`);
}

let options: BenchOptions | undefined;
try {
  options = parseOptions(
    process.argv.slice(2),
    rows.map(({ name }) => name),
  );
} catch (reason) {
  process.stderr.write(`${reason instanceof Error ? reason.message : String(reason)}\n\n${USAGE}\n`);
  process.exitCode = 2;
}
if (options !== undefined) await main(options);
