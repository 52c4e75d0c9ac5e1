import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CallOptions } from "../call-options.js";
import type { DumpDirectory } from "./dump-directory.js";
import { hasRoomFor } from "./dump-space.js";
import type { Mount } from "./mount.js";

const OWNER_ONLY = 0o700;
// Where criu makes directories to look below mounts, and what it calls them.
const PASSING_IN = [".", "tmp"];
const PASSING = /^cr-tmpfs\.[A-Za-z0-9]{6}$/;
// To look at more than this takes longer than it saves.
const MOST_ENTRIES = 50_000;
// Deleted files are devices, and that a directory hides what is below it stands in an extended attribute: unlike --archive this
// fails where those cannot be kept, and a cp that does not know of them refuses.
const COPY_ALL = ["--recursive", "--no-dereference", "--preserve=mode,ownership,timestamps,links,xattr", "--"];

/** A copy of a writable layer to be. */
export interface UpperCopy {
  /** Copies what is there, while criu may be at work. Resolves to whether that was all. */
  copy(call: CallOptions): Promise<boolean>;
  /** Resolves to the mounts of the copy, when criu is done and the task still stands. */
  finish(): Promise<readonly Mount[]>;
}

/**
 * Makes ready to copy the writable layer of an overlay, so that it can be packed when the task runs again: to find out what is in
 * it the daemon looks at every file of the image. Resolves to `undefined` where there is no overlay to be seen, or no room.
 */
export async function prepareUpperCopy(
  mounts: readonly Mount[],
  directory: DumpDirectory,
): Promise<UpperCopy | undefined> {
  const [mount, ...others] = mounts;
  const upper = mount && optionOf(mount, "upperdir");
  if (mount?.type !== "overlay" || others.length > 0 || upper === undefined) return undefined;
  // Only of what lies in the daemon's root is it known that the same path is the same file here.
  if (!upper.startsWith(`${dirname(directory.content)}/`) || /[:,\\]/.test(directory.path)) return undefined;
  const bytes = await bytesBelow(upper);
  if (bytes === undefined || !(await hasRoomFor(directory, bytes))) return undefined;
  const [copy, work] = [join(directory.path, "upper"), join(directory.path, "work")];
  await Promise.all([copy, work].map((path) => mkdir(path, { mode: OWNER_ONLY })));
  const options = mount.options.map((option) =>
    option.startsWith("upperdir=") ? `upperdir=${copy}` : option.startsWith("workdir=") ? `workdir=${work}` : option,
  );
  return {
    copy: (call) => copyAll(upper, copy, call),
    finish: async () => {
      for (const directory of PASSING_IN) await forgetPassing(join(upper, directory), join(copy, directory));
      return [{ ...mount, options }];
    },
  };
}

/** Takes out of the copy what criu had made for a moment and what is gone now, while nothing else can have changed. */
async function forgetPassing(from: string, to: string): Promise<void> {
  const names = (await readdir(to).catch(() => [])).filter((name) => PASSING.test(name));
  if (names.length === 0) return;
  const stay = new Set(await readdir(from));
  for (const name of names) if (!stay.has(name)) await rm(join(to, name), { recursive: true });
}

/** Resolves to whether all there is was copied. */
async function copyAll(from: string, to: string, { signal }: CallOptions): Promise<boolean> {
  signal?.throwIfAborted();
  const child = spawn("cp", [...COPY_ALL, `${from}/.`, to], { stdio: "ignore" });
  const kill = () => void child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  try {
    // Not before it is gone: nothing may be written any more when the directory is taken away.
    const [code] = (await once(child, "exit")) as [number | null];
    signal?.throwIfAborted();
    return code === 0;
  } catch {
    signal?.throwIfAborted();
    return false;
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

function optionOf({ options }: Mount, name: string): string | undefined {
  return options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** What the files below a directory take on the disk; `undefined` when there are too many to look at. */
async function bytesBelow(directory: string): Promise<number | undefined> {
  let bytes = 0;
  let entries = 0;
  const pending = [directory];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    const found = await readdir(one, { withFileTypes: true }).catch(() => []);
    entries += found.length;
    if (entries > MOST_ENTRIES) return undefined;
    for (const entry of found) {
      const path = join(one, entry.name);
      if (entry.isDirectory()) pending.push(path);
      if (entry.isFile()) bytes += (await lstat(path).catch(() => undefined))?.blocks ?? 0;
    }
  }
  return bytes * 512;
}
