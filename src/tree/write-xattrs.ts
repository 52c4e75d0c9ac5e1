import { execFile } from "node:child_process";
import { chmodSync, closeSync, createWriteStream, fstatSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { NotImplementedError } from "../errors.js";
import { type TarFile, writeTar } from "../tar/tar.js";
import type { Xattrs } from "./tree.js";

// So many descriptors are open at once.
const BATCH = 100;
const OWNER_WRITES = 0o200;
const run = promisify(execFile);

/** What has its attributes set, by its descriptor: another process reaches the same thing by it, whatever its name means by then. */
interface Target {
  readonly path: string;
  readonly fd: number;
  readonly type: "file" | "directory";
  readonly xattrs: Xattrs;
  /** That it can be written to; until that is disposed of. */
  readonly mode: Disposable;
}

/**
 * Sets extended attributes: GNU tar gives them to empty files, and GNU cp from there. Tells of the paths where that cannot be done.
 *
 * @param near where a directory can be made for a moment; where not, it is made among the temporary files.
 * @param all attributes by path.
 * @param open says where a path is, by a descriptor.
 */
export async function writeXattrs(
  near: string,
  all: ReadonlyMap<string, Xattrs>,
  open: (path: string) => number,
): Promise<ReadonlyMap<string, Error>> {
  const failed = new Map<string, Error>();
  const entries = [...all];
  for (let at = 0; at < entries.length; at += BATCH) {
    const targets: Target[] = [];
    try {
      for (const [path, xattrs] of entries.slice(at, at + BATCH)) {
        const fd = open(path);
        const type = typeOf(fd);
        if (type !== undefined) targets.push({ path, fd, type, xattrs, mode: writable(fd) });
        else closeSync(fd);
        if (type === undefined) failed.set(path, new Error("it is neither a file nor a directory"));
      }
      if (targets.length === 0 || (await setAll(near, targets)) === undefined) continue;
      // One by one, to know which of them it was.
      for (const target of targets) {
        const reason = await setAll(near, [target]);
        if (reason !== undefined) failed.set(target.path, reason);
      }
    } finally {
      for (const { fd, mode } of targets) {
        mode[Symbol.dispose]();
        closeSync(fd);
      }
    }
  }
  return failed;
}

/** The error for one of them. */
export function cannotSetXattrs(path: string, cause: Error): NotImplementedError {
  return new NotImplementedError(`Cannot set the extended attributes of ${path}: ${cause.message}`, {
    cause,
    hint: "GNU tar, GNU cp and a file system with extended attributes are needed.",
  });
}

function typeOf(fd: number): Target["type"] | undefined {
  const stat = fstatSync(fd);
  if (stat.isFile()) return "file";
  return stat.isDirectory() ? "directory" : undefined;
}

/** Resolves to why it failed, for all of them or for one; those that are files take it all at once. */
async function setAll(near: string, targets: readonly Target[]): Promise<Error | undefined> {
  try {
    await using models = await makeModels(near);
    const members = targets.map(({ fd, type, xattrs }): TarFile => ({ name: String(fd), type, xattrs, mode: 0o700 }));
    const archive = join(models.path, "models.tar");
    await pipeline(Readable.from(writeTar(members)), createWriteStream(archive));
    await done("tar", ["--extract", "--xattrs", "--xattrs-include=*", "--directory", models.path, "--file", archive]);
    const descriptors = `/proc/${process.pid}/fd`;
    const copy = ["--attributes-only", "--preserve=xattr"];
    const files = targets.filter(({ type }) => type === "file").map(({ fd }) => join(models.path, String(fd)));
    if (files.length > 0) await done("cp", [...copy, "--target-directory", descriptors, ...files]);
    for (const { fd, type } of targets) {
      const model = join(models.path, String(fd));
      if (type === "directory") await done("cp", [...copy, "-rT", model, `${descriptors}/${fd}/.`]);
    }
    return undefined;
  } catch (reason) {
    return reason instanceof Error ? reason : new Error(String(reason));
  }
}

async function makeModels(near: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(`${near}.xattrs-`).catch((reason: NodeJS.ErrnoException) => {
    // On another file system, which may not take them: better than nothing.
    if (reason.code === "EACCES" || reason.code === "EROFS") return mkdtemp(join(tmpdir(), "xattrs-"));
    throw reason;
  });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** GNU tar warns and goes on where a file system takes none. */
async function done(program: string, args: readonly string[]): Promise<void> {
  const { stderr } = await run(program, args);
  if (stderr !== "") throw new Error(stderr.trim());
}

/** Who is not root writes only to what its mode lets him write to. */
function writable(fd: number): Disposable {
  const { mode } = fstatSync(fd);
  const path = `/proc/self/fd/${fd}`;
  if (process.getuid?.() === 0 || mode & OWNER_WRITES) return { [Symbol.dispose]: () => {} };
  chmodSync(path, (mode & 0o7777) | OWNER_WRITES);
  return { [Symbol.dispose]: () => chmodSync(path, mode & 0o7777) };
}
