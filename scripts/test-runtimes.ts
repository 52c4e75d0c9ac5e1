import { spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { repositoryRoot } from "../lab/repository.js";

/** A JavaScript runtime as npm has it, and how it is told to run tests. */
interface Runtime {
  readonly packageSpec: string;
  readonly binary: string;
  readonly testArgs: readonly string[];
}

const NEEDS_A_LAB = /^test\/(?:daemon|examples)\//;
/** Nobody's number on every Unix: what passes here needs no root. */
const NOBODY = 65_534;

const platform = process.platform === "win32" ? "win" : process.platform;
const npmPlatform = `${platform}-${process.arch}`;

function node(major: number): Runtime {
  return {
    packageSpec: `runtime@npm:node-${npmPlatform}@${major}`,
    binary: "node_modules/runtime/bin/node",
    testArgs: ["--enable-source-maps", "--test"],
  };
}

const runtimes: Readonly<Record<string, Runtime>> = {
  node20: node(20),
  node22: node(22),
  node24: node(24),
  node26: node(26),
  bun: { packageSpec: "bun@1.4.5", binary: "node_modules/.bin/bun", testArgs: ["test"] },
  deno: {
    packageSpec: "deno@2.9.6",
    binary: "node_modules/.bin/deno",
    testArgs: ["test", "--allow-all", "--no-check"],
  },
};

const byDefault = ["node20", "node22", "node24", "node26"];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function exitCodeOf(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly uid?: number },
): Promise<number> {
  const { uid, ...rest } = options;
  const child = spawn(command, args, { ...rest, stdio: "inherit", ...(uid === undefined ? {} : { uid, gid: uid }) });
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("exit", (code) => resolve(code ?? 1));
  });
}

/** Installs a runtime where it shadows nothing: beside the lab, not among the dependencies. */
async function installed(name: string, { packageSpec, binary }: Runtime): Promise<string> {
  const prefix = join(repositoryRoot(), ".lab", "runtimes", name);
  if (existsSync(join(prefix, binary))) return prefix;
  mkdirSync(prefix, { recursive: true });
  const args = ["install", "--prefix", prefix, "--no-save", "--no-package-lock", "--foreground-scripts", packageSpec];
  const code = await exitCodeOf("npm", args, { cwd: prefix, env: process.env });
  if (code !== 0 || !existsSync(join(prefix, binary)))
    throw new Error(`Cannot install ${packageSpec}: npm ended with ${code}`);
  return prefix;
}

function testFiles(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((name) => relative(root, join(root, "test", name)))
    .filter((path) => path.endsWith(".test.ts") && !NEEDS_A_LAB.test(path))
    .map((path) => `./.build/${path.replace(/\.ts$/, ".js")}`)
    .sort();
}

/** A copy that anybody may read and its owner may write: who has no root cannot rely on where the checkout lies. */
function copyFor(uid: number | undefined): string {
  const root = repositoryRoot();
  if (uid === undefined) return root;
  const copy = mkdtempSync(join(tmpdir(), "containerd-client-runtimes-"));
  chmodSync(copy, 0o755);
  for (const entry of readdirSync(root)) {
    if (entry !== ".git" && entry !== ".lab") cpSync(join(root, entry), join(copy, entry), { recursive: true });
  }
  for (const name of ["", ...readdirSync(copy, { recursive: true, encoding: "utf8" })]) {
    if (!name.startsWith("node_modules")) chownSync(join(copy, name), uid, uid);
  }
  return copy;
}

async function main(): Promise<void> {
  const named = process.argv.slice(2);
  const wanted = named.length === 0 ? byDefault : named;
  const unknown = wanted.filter((name) => !(name in runtimes));
  if (unknown.length > 0)
    throw new Error(`No such runtime: ${unknown.join(", ")}; there are ${Object.keys(runtimes).join(", ")}`);
  const uid = process.getuid?.() === 0 ? NOBODY : undefined;
  const root = copyFor(uid);
  const home = mkdtempSync(join(tmpdir(), "containerd-client-home-"));
  if (uid !== undefined) chownSync(home, uid, uid);
  const results: string[] = [];
  try {
    for (const name of wanted) {
      const runtime = runtimes[name];
      if (runtime === undefined) continue;
      cpSync(await installed(name, runtime), join(home, name), { recursive: true, verbatimSymlinks: true });
      const binary = join(home, name, runtime.binary);
      const env = {
        PATH: process.env["PATH"],
        HOME: home,
        LAB_RELEASES: "",
        LAB_WHY_NOT: "the runtimes are tried without root",
      };
      const args = [...runtime.testArgs, ...testFiles(root)];
      const code = await exitCodeOf(binary, args, { cwd: root, env, ...(uid === undefined ? {} : { uid }) });
      results.push(`${name.padEnd(8)}${code === 0 ? "passed" : `FAILED (${code})`}`);
      if (code !== 0) process.exitCode = 1;
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
    if (root !== repositoryRoot()) rmSync(root, { recursive: true, force: true });
  }
  for (const line of results) say(line);
}

await main();
