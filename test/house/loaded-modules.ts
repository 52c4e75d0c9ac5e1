import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { repositoryRoot } from "../../lab/repository.js";

/** What a program loads of the library, module by module: what is published are bundles of these. */
interface Loaded {
  /** All files. */
  readonly paths: readonly string[];
  /** Files below `src/`. */
  readonly own: readonly string[];
  /** Names of packages. */
  readonly packages: readonly string[];
  /** Parts of Node.js that were loaded since it started. */
  readonly ofNode: readonly string[];
}

const hook = `
import { writeSync } from "node:fs";
export async function load(url, context, next) {
  writeSync(1, "loaded " + url + "\\n");
  return next(url, context);
}`;
const prelude = `
import { register } from "node:module";
register(${JSON.stringify(asModule(hook))});
const before = new Set(process.moduleLoadList);
process.on("exit", () => {
  for (const name of process.moduleLoadList) if (!before.has(name)) console.log("node " + name);
});`;

/** Runs a program in a process of its own, in the checkout unless told otherwise, and tells what it has loaded when it ends. */
export async function modulesLoadedBy(program: string, cwd: string = repositoryRoot()): Promise<Loaded> {
  const args = ["--import", asModule(prelude), "--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 20_000,
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (code !== 0) throw new Error(`The program ended with ${code}`);
  const lines = output.split("\n");
  const paths = lines.flatMap((line) => /^loaded file:\/\/(.*)$/.exec(line)?.[1] ?? []);
  const names = paths.flatMap((path) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  return {
    paths,
    own: paths.flatMap((path) => (path.includes("/node_modules/") ? [] : (path.split("/.build/src/")[1] ?? []))).sort(),
    packages: [...new Set(names)],
    ofNode: lines.flatMap((line) => /^node NativeModule (.*)$/.exec(line)?.[1] ?? []),
  };
}

function asModule(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}
