import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { ResourceExhaustedError } from "../errors.js";
import type { ContainerRecord } from "./container-record.js";
import type { DumpDirectory } from "./dump-directory.js";
import { processTree, readProc } from "./process-tree.js";
import type { Task } from "./task.js";

// What criu writes beside the memory, and what everybody else needs meanwhile.
const SPARE_BYTES = 64 * 1024 * 1024;

/**
 * Looks whether a task's dump fits into its directory and, packed, into the content store beside it.
 *
 * @throws {ResourceExhaustedError} when it would not
 */
export async function requireDumpSpace(
  { path, content }: DumpDirectory,
  { id }: Pick<ContainerRecord, "id">,
  task: Task,
): Promise<void> {
  const [bytes, here, there] = await Promise.all([memoryOf(task.pid), stat(path), stat(content)]);
  // On one disk the dump and its packed form lie beside each other for a while.
  const copies = here.dev === there.dev ? 2 : 1;
  await requireSpace(path, copies * bytes + SPARE_BYTES, `checkpoint container ${id}`);
  if (copies === 1) await requireSpace(content, bytes + SPARE_BYTES, `checkpoint container ${id}`);
}

/** @throws {ResourceExhaustedError} when a directory's disk has less than `need` bytes free */
export async function requireSpace(directory: string, need: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (need <= free) return;
  throw new ResourceExhaustedError(`Cannot ${what}: ${directory} needs ${need} bytes and has ${free} free`, {
    hint: "Free space on the daemon's disk.",
  });
}

/** Bytes criu would write: what belongs to each process alone, and once what they share. */
async function memoryOf(pid: number): Promise<number> {
  let own = 0;
  let shared = 0;
  for await (const one of processTree(pid)) {
    const status = await readProc(`/proc/${one}/status`);
    const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
    own += bytes("RssAnon") + bytes("VmSwap");
    shared = Math.max(shared, bytes("RssShmem"));
  }
  return own + Math.max(shared, await cgroupShmem(pid));
}

/** What the cgroup of a process holds in shared memory and in memory filesystems; 0 where it cannot be seen. */
async function cgroupShmem(pid: number): Promise<number> {
  for (const line of (await readProc(`/proc/${pid}/cgroup`)).split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const unified = controllers === "";
    if (!unified && !controllers.split(",").includes("memory")) continue;
    const text = await readProc(join("/sys/fs/cgroup", unified ? "" : "memory", path, "memory.stat"));
    const found = /^total_shmem (\d+)$/m.exec(text) ?? /^shmem (\d+)$/m.exec(text);
    if (found !== null) return Number(found[1]);
  }
  return 0;
}
