import { stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isFileError } from "../content/layout/file-errors.js";
import { isContainerdError, ResourceExhaustedError } from "../errors.js";
import { processTree, readProc } from "./process-tree.js";

// What criu writes beside the memory, and what everybody else needs meanwhile.
const SPARE_BYTES = 64 * 1024 * 1024;

/** Where a dump lies for a while, and what it takes. */
export interface DumpSpace {
  /** The directory of the dump. */
  readonly path: string;
  /** The daemon's content store, where it is packed or comes from. */
  readonly content: string;
  /** Bytes of the dump, as far as that can be known beforehand. */
  readonly bytes: number;
}

/**
 * Looks whether there is room for a dump and, when it is to be packed, for its packed form.
 *
 * @throws {ResourceExhaustedError} when there is not
 */
export async function requireDumpSpace({ path, content, bytes }: DumpSpace, packed: boolean): Promise<void> {
  const [here, there] = await Promise.all([stat(path), orAbove(content, (there) => stat(there))]);
  // On one disk the dump and its packed form lie beside each other for a while.
  await requireFree(path, (packed && here.dev === there.dev ? 2 : 1) * bytes + SPARE_BYTES);
  if (packed && here.dev !== there.dev) await requireFree(content, bytes + SPARE_BYTES);
}

/** Whether there is room for further files in the directory of a dump, and for them packed, when the dump has its own. */
export async function hasRoomFor({ path, bytes }: DumpSpace, more: number): Promise<boolean> {
  return 2 * (bytes + more) + SPARE_BYTES <= (await freeBytes(path));
}

/** Names the directory whose disk is full, what is needed there and what is free; other failures pass as they are. */
export async function explainFull(reason: unknown, { path, content, bytes }: DumpSpace): Promise<unknown> {
  if (!(reason instanceof Error) || !isDiskFull(reason)) return reason;
  const { message } = reason;
  const { method, namespace, criuLog = [] } = isContainerdError(reason) ? reason : {};
  const [here, there] = await Promise.all([freeBytes(dirname(path)), freeBytes(content)]);
  const full = here <= there ? path : content;
  return new ResourceExhaustedError(`${message}; ${wanting(full, bytes, Math.min(here, there))}`, {
    cause: reason,
    hint: FREE_SPACE,
    method,
    namespace,
    criuLog,
  });
}

/** Whether somebody found a disk full, by what he says. */
export function isDiskFull(reason: Error): boolean {
  const { criuLog = [] } = isContainerdError(reason) ? reason : {};
  return /no space left on device|disk quota exceeded/i.test([reason.message, ...criuLog].join("\n"));
}

const FREE_SPACE = "Free space on the daemon's disk.";

function wanting(directory: string, need: number, free: number): string {
  return `${directory} needs ${need} bytes and has ${free} free`;
}

async function requireFree(directory: string, need: number): Promise<void> {
  const free = await freeBytes(directory);
  if (need <= free) return;
  throw new ResourceExhaustedError(`No room for the dump: ${wanting(directory, need, free)}`, { hint: FREE_SPACE });
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await orAbove(directory, (path) => statfs(path));
  return bavail * bsize;
}

/** A daemon makes the directory of its store with the first blob. */
async function orAbove<T>(directory: string, look: (path: string) => Promise<T>): Promise<T> {
  try {
    return await look(directory);
  } catch (reason) {
    if (!isFileError(reason, "ENOENT")) throw reason;
    return look(dirname(directory));
  }
}

/** Bytes criu would write for a process and those under it: what belongs to each alone, and once what they share. */
export async function memoryOf(pid: number): Promise<number> {
  let own = 0;
  let shared = 0;
  for await (const one of processTree(pid)) {
    const status = readProc(`/proc/${one}/status`);
    const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
    own += bytes("RssAnon") + bytes("VmSwap");
    shared = Math.max(shared, bytes("RssShmem"));
  }
  return own + Math.max(shared, cgroupShmem(pid));
}

/** What the cgroup of a process holds in shared memory and in memory filesystems; 0 where it cannot be seen. */
function cgroupShmem(pid: number): number {
  for (const line of readProc(`/proc/${pid}/cgroup`).split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const unified = controllers === "";
    if (!unified && !controllers.split(",").includes("memory")) continue;
    const text = readProc(join("/sys/fs/cgroup", unified ? "" : "memory", path, "memory.stat"));
    const found = /^total_shmem (\d+)$/m.exec(text) ?? /^shmem (\d+)$/m.exec(text);
    if (found !== null) return Number(found[1]);
  }
  return 0;
}
