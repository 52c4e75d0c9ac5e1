import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { NotImplementedError } from "../errors.js";
import { readTar } from "../tar/tar.js";
import type { Xattrs } from "./tree.js";
import { cleanPath } from "./tree-path.js";

// What belongs to this machine and not to the files is left out: labels of its security modules, marks of its overlays.
const wanted = ["user.*", "trusted.*", "security.capability"].map((name) => `--xattrs-include=${name}`);
const SELECTION = ["--xattrs", ...wanted];
const LISTED = ["--no-recursion", "--null", "--verbatim-files-from", "--files-from=-"];
const WITHOUT_MARKS = "--xattrs-exclude=trusted.overlay.*";

/**
 * The extended attributes of all files in a directory, or of those at some paths; of a file with several names by one of them. Node.js has no calls for
 * them: GNU tar tells them.
 *
 * @throws {NotImplementedError} when there is no GNU tar
 */
export async function readXattrs(
  directory: string,
  { marks = false, only }: { readonly marks?: boolean; readonly only?: Iterable<string> } = {},
): Promise<ReadonlyMap<string, Xattrs>> {
  const found = new Map<string, Xattrs>();
  const selection = marks ? SELECTION : [...SELECTION, WITHOUT_MARKS];
  const asked = only && [...only].map((path) => Buffer.from(path === "" ? "." : `./${path}`));
  const names = asked?.length === 0 ? [] : await namesWithXattrs(directory, selection, asked);
  if (names.length === 0) return found;
  await using tar = startTar(directory, [...selection, ...LISTED, "--file=-"], listOf(names));
  for await (const { name, xattrs } of readTar(tar.stdout))
    if (xattrs !== undefined) found.set(cleanPath(name), xattrs);
  await tar.ended();
  return found;
}

/** It marks them when it tells what it does; and what goes nowhere it does not even read. */
async function namesWithXattrs(
  directory: string,
  selection: readonly string[],
  only: readonly Buffer[] | undefined,
): Promise<Buffer[]> {
  const telling = [
    "--verbose",
    "--verbose",
    "--numeric-owner",
    "--full-time",
    "--quoting-style=escape",
    "--file=/dev/null",
  ];
  const what = only === undefined ? ["."] : LISTED;
  await using tar = startTar(directory, [...selection, ...telling, ...what], only && listOf(only));
  const names: Buffer[] = [];
  for await (const line of createInterface({ input: tar.stdout })) {
    const [, name] = /^[-dpcb].{9}\* .*? (\.\/.*)$/.exec(line) ?? [];
    if (name !== undefined) names.push(unescaped(name));
  }
  await tar.ended();
  return names;
}

function listOf(names: readonly Buffer[]): Buffer {
  return Buffer.concat(names.flatMap((name) => [name, Buffer.of(0)]));
}

interface Tar extends AsyncDisposable {
  readonly stdout: Readable;
  /** Rejects when it failed. */
  ended(): Promise<void>;
}

function startTar(directory: string, args: readonly string[], input?: Uint8Array): Tar {
  const all = ["--create", "--format=posix", "--warning=none", "--directory", directory, ...args];
  const tar = spawn("tar", all, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
  const said: Uint8Array[] = [];
  tar.stderr.on("data", (chunk: Uint8Array) => said.push(chunk));
  const closed = once(tar, "close").catch((reason: unknown) => said.push(Buffer.from(String(reason))));
  tar.stdin.on("error", () => {});
  tar.stdin.end(input);
  return {
    stdout: tar.stdout,
    async ended() {
      await closed;
      // 1: a file changed meanwhile.
      if (tar.exitCode === 0 || tar.exitCode === 1) return;
      const words = Buffer.concat(said).toString().trim();
      throw new NotImplementedError(`Cannot read the extended attributes in ${directory}: ${words}`, {
        hint: "Install GNU tar.",
      });
    },
    async [Symbol.asyncDispose]() {
      tar.kill();
      await closed;
    },
  };
}

/** The bytes of a name that was written with escapes. */
function unescaped(name: string): Buffer {
  const letters: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };
  const parts = name.match(/\\[0-7]{3}|\\.|[^\\]+/g) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (!part.startsWith("\\")) return Buffer.from(part, "latin1");
      if (part.length === 4) return Buffer.of(Number.parseInt(part.slice(1), 8));
      return Buffer.of(letters[part.slice(1)] ?? part.charCodeAt(1));
    }),
  );
}
