import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { NotImplementedError } from "../errors.js";
import { readTar, type TarFile, writeTar } from "../tar/tar.js";
import type { NodeType, Xattrs } from "./tree.js";
import { cleanPath } from "./tree-path.js";

const run = promisify(execFile);

// What belongs to this machine and not to the files is left out: labels of its security modules, marks of its overlays.
const wanted = ["user.*", "trusted.*", "security.capability"].map((name) => `--xattrs-include=${name}`);
const SELECTION = ["--xattrs", ...wanted, "--xattrs-exclude=trusted.overlay.*"];

/**
 * The extended attributes of all files in a directory; of a file with several names by one of them. Node.js has no calls for
 * them: GNU tar tells them.
 *
 * @throws {NotImplementedError} when there is no GNU tar
 */
export async function readXattrs(directory: string): Promise<ReadonlyMap<string, Xattrs>> {
  const found = new Map<string, Xattrs>();
  const names = await namesWithXattrs(directory);
  if (names.length === 0) return found;
  const list = Buffer.concat(names.flatMap((name) => [name, Buffer.of(0)]));
  const only = ["--no-recursion", "--null", "--verbatim-files-from", "--files-from=-", "--file=-"];
  await using tar = startTar(directory, only, list);
  for await (const { name, xattrs } of readTar(tar.stdout))
    if (xattrs !== undefined) found.set(cleanPath(name), xattrs);
  await tar.ended();
  return found;
}

/** It marks them when it tells what it does; and what goes nowhere it does not even read. */
async function namesWithXattrs(directory: string): Promise<Buffer[]> {
  const telling = [
    "--verbose",
    "--verbose",
    "--numeric-owner",
    "--full-time",
    "--quoting-style=escape",
    "--file=/dev/null",
    ".",
  ];
  await using tar = startTar(directory, telling);
  const names: Buffer[] = [];
  for await (const line of createInterface({ input: tar.stdout })) {
    const [, name] = /^[-d].{9}\* .*? (\.\/.*)$/.exec(line) ?? [];
    if (name !== undefined) names.push(unescaped(name));
  }
  await tar.ended();
  return names;
}

interface Tar extends AsyncDisposable {
  readonly stdout: Readable;
  /** Rejects when it failed. */
  ended(): Promise<void>;
}

function startTar(directory: string, args: readonly string[], input?: Uint8Array): Tar {
  const all = ["--create", "--format=posix", "--warning=none", ...SELECTION, "--directory", directory, ...args];
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

/** Has something done to a path by another process. */
type Reach = (path: string, act: (reached: string, type: NodeType | undefined) => Promise<void>) => Promise<void>;

/**
 * Sets extended attributes: GNU tar gives them to empty files, and cp from there.
 *
 * @throws {NotImplementedError} when that cannot be done, with the path of the file
 */
export async function writeXattrs(root: string, all: ReadonlyMap<string, Xattrs>, reach: Reach): Promise<void> {
  if (all.size === 0) return;
  // On the same file system: another may not take them.
  const directory = await mkdtemp(`${root}.xattrs-`);
  try {
    const models: TarFile[] = [];
    for (const [path, xattrs] of all) {
      await reach(path, async (_, type) => {
        if (type !== "file" && type !== "directory") throw cannotSet(path, `it is a ${type}`);
        models.push({ name: String(models.length), type, xattrs });
      });
    }
    const archive = join(directory, "models.tar");
    await pipeline(Readable.from(writeTar(models)), createWriteStream(archive));
    const extraction = ["--extract", "--xattrs", "--xattrs-include=*", "--directory", directory, "--file", archive];
    const [first = ""] = all.keys();
    await attempt(first, run("tar", extraction));
    for (const [at, path] of [...all.keys()].entries()) {
      await reach(path, (reached) =>
        attempt(
          path,
          run("cp", ["-rT", "--attributes-only", "--preserve=xattr", join(directory, String(at)), reached]),
        ),
      );
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function attempt(path: string, done: Promise<{ readonly stderr: string }>): Promise<void> {
  const said = await done.then(
    ({ stderr }) => stderr,
    (reason: unknown) => {
      throw cannotSet(path, reason instanceof Error ? reason.message.trim() : String(reason), reason);
    },
  );
  // GNU tar warns and goes on where the file system takes none.
  if (said !== "") throw cannotSet(path, said.trim());
}

function cannotSet(path: string, why: string, cause?: unknown): NotImplementedError {
  return new NotImplementedError(`Cannot set the extended attributes of ${path}: ${why}`, {
    cause,
    hint: "GNU tar, GNU cp and a file system with extended attributes are needed.",
  });
}
