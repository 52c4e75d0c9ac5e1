import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { whyNoLab } from "../lab/preflight.js";
import {
  preparedRelease,
  prepareReleases,
  type Release,
  type ReleaseName,
  releaseNames,
  whyNoCriu,
} from "../lab/releases.js";
import { repositoryRoot } from "../lab/repository.js";
import { TestTally } from "./test-tally.js";

/** The daemons the tests can have here, and why not all of them. */
interface Lab {
  readonly releases: readonly Release[];
  readonly whyNot?: string;
}

/** A file that takes longer hangs. */
const FILE_TIMEOUT_MS = 900_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The compiled test files at and below the paths of sources; all when there are none. Files without a source are old. */
function testFiles(paths: readonly string[]): string[] {
  const root = repositoryRoot();
  const wanted = (paths.length === 0 ? ["test"] : paths).map((path) => resolve(path));
  const missing = wanted.filter((path) => !existsSync(path));
  if (missing.length > 0) throw new Error(`No such test file or folder: ${missing.join(", ")}`);
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((name) => join(root, "test", name))
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => wanted.some((one) => path === one || path.startsWith(`${one}/`)))
    .map((path) => join(root, ".build", relative(root, path).replace(/\.ts$/, ".js")))
    .sort();
}

async function prepareLab(): Promise<Lab> {
  const whyNot = await whyNoLab();
  if (whyNot !== undefined) return { releases: [], whyNot };
  try {
    return { releases: await prepareReleases(releaseNames, (line) => say(`  ${line}`)) };
  } catch (reason) {
    const message = reason instanceof Error ? reason.message : String(reason);
    const prepared = releaseNames.map((name: ReleaseName) => preparedRelease(name)).filter((one) => one !== undefined);
    const useful = prepared.length > 0 && (await whyNoCriu()) === undefined;
    return { releases: useful ? prepared : [], whyNot: message };
  }
}

async function runTests(files: string[]): Promise<TestTally> {
  const tally = new TestTally();
  // More at once than this, and daemons, shims and criu are in each other's way.
  const concurrency = Math.min(4, availableParallelism());
  // The files are processes of their own, which do not end with this one by themselves.
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(name, () => stop.abort());
  const stream = run({ files, concurrency, timeout: FILE_TIMEOUT_MS, signal: stop.signal });
  stream.on("test:pass", (event) => tally.add(event, true));
  stream.on("test:fail", (event) => tally.add(event, false));
  const report = stream.compose(new spec());
  for await (const text of report) process.stdout.write(String(text));
  return tally;
}

async function main(): Promise<void> {
  const files = testFiles(process.argv.slice(2));
  say("Preparing real daemons for the tests.");
  const startedAt = Date.now();
  const { releases, whyNot } = await prepareLab();
  if (releases.length > 0) {
    const names = releases.map(({ name }) => name).join(", ");
    say(`  ready: ${names}, after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  }
  if (whyNot !== undefined) say(`  not all: ${whyNot}`);
  Object.assign(process.env, {
    NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --enable-source-maps`.trim(),
    CONTAINERD_BINARIES: releases.map(({ containerd }) => containerd).join(":"),
    LAB_RELEASES: releases.map(({ name }) => name).join(","),
    ...(whyNot !== undefined && { LAB_WHY_NOT: whyNot }),
  });
  const tally = await runTests(files);

  const missing = releaseNames.filter((name) => !releases.some((release) => release.name === name)).join(", ");
  // CI that runs as root on Linux is there to run everything.
  const wantsAll = process.env["CI"] === "true" && process.platform === "linux" && process.getuid?.() === 0;
  if (missing !== "" && wantsAll)
    tally.failed.push(`the real daemons ${missing}, which CI=true wants as this is root on Linux`);

  for (const name of tally.failed) say(`FAILED   ${name}`);
  for (const [reason, names] of tally.skipped) say(`NOT RUN  ${names.length}: ${reason} (${names.join("; ")})`);
  if (missing !== "") say(`NOT RUN  the tests on the real daemons ${missing}: ${whyNot}`);
  if (tally.failed.length > 0) process.exitCode = 1;
  say(tally.summary());
}

await main();
