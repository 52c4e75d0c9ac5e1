import { existsSync } from "node:fs";
import { access, constants, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { kill } from "node:process";
import { cgroupOf, frozenCgroup } from "./container-cgroup.js";

/** The file through which the kernel freezes and thaws one cgroup. */
export interface Freezer {
  readonly path: string;
  readonly version: 1 | 2;
}

/**
 * Finds the freezer of a container's cgroup, whichever of those below it the process is in. `undefined` where it is not seen or cannot be
 * written to from here, or where the process of that number lies in another cgroup: then numbers mean something else here than to the daemon.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files
 */
export async function findFreezer(pid: number, cgroupsPath: string): Promise<Freezer | undefined> {
  if (pid <= 0) return undefined;
  try {
    const [cgroups, mounts] = await Promise.all([
      readFile(`/proc/${pid}/cgroup`, "utf8"),
      readFile("/proc/self/mountinfo", "utf8"),
    ]);
    const freezer = locateFreezer(cgroups, mounts, cgroupsPath);
    if (freezer !== undefined) await access(freezer.path, constants.W_OK);
    return freezer;
  } catch {
    // No /proc, or no such process: the daemon's machine is another one.
    return undefined;
  }
}

/** The same, from the cgroups of the process and the mounts of this one, as the kernel tells them. */
export function locateFreezer(cgroups: string, mounts: string, cgroupsPath: string): Freezer | undefined {
  const { version, path } = frozenCgroup(cgroups);
  const own = cgroupOf(path, cgroupsPath);
  if (own === undefined || own.includes("..")) return undefined;
  for (const line of mounts.split("\n")) {
    const [mount = "", filesystem = ""] = line.split(" - ");
    const [type = "", , options = ""] = filesystem.split(" ");
    const [, , , root = "", at = ""] = mount.split(" ");
    const fits = version === 2 ? type === "cgroup2" : type === "cgroup" && options.split(",").includes("freezer");
    if (!fits || (root !== "/" && !own.startsWith(`${root}/`))) continue;
    const directory = join(at, root === "/" ? own : own.slice(root.length));
    return { path: join(directory, version === 2 ? "cgroup.freeze" : "freezer.state"), version };
  }
  return undefined;
}

/** Whether the kernel keeps the cgroup frozen, or is about to; `undefined` when it is gone. */
export async function isKernelFrozen({ path, version }: Freezer): Promise<boolean | undefined> {
  try {
    const state = (await readFile(path, "utf8")).trim();
    return version === 1 ? state !== "THAWED" : state === "1";
  } catch (reason) {
    if (isGone(reason)) return undefined;
    throw reason;
  }
}

/** Whether there is a process of that number. */
export function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Whether somebody traces the process, as criu does while it dumps. */
export async function isTraced(pid: number): Promise<boolean> {
  try {
    return !/^TracerPid:\s+0$/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Freezes or thaws the cgroup behind everybody's back. */
export async function setKernelFrozen({ path, version }: Freezer, frozen: boolean): Promise<void> {
  const state = version === 1 ? (frozen ? "FROZEN" : "THAWED") : frozen ? "1" : "0";
  await writeFile(path, state).catch((reason: unknown) => {
    if (!isGone(reason)) throw reason;
  });
}

/**
 * Sends SIGKILL to each process in the cgroup and those below it, as far as they are this process's to kill. One that is frozen dies when it
 * is let go, before it does anything else.
 */
export async function killFrozen({ path }: Freezer): Promise<void> {
  const files = await unlessGone(readdir(dirname(path), { recursive: true }), []);
  for (const file of files.filter((name) => basename(name) === "cgroup.procs")) {
    // Those of a threaded cgroup are listed above it.
    const pids = await unlessGone(readFile(join(dirname(path), file), "utf8"), "");
    for (const pid of pids.split("\n").map(Number)) {
      try {
        if (pid > 1) kill(pid, "SIGKILL");
      } catch (reason) {
        const { code } = reason as NodeJS.ErrnoException;
        if (code !== "ESRCH" && code !== "EPERM") throw reason;
      }
    }
  }
}

function unlessGone<T>(reading: Promise<T>, otherwise: T): Promise<T> {
  return reading.catch((reason: unknown) => {
    if (isGone(reason)) return otherwise;
    throw reason;
  });
}

function isGone(reason: unknown): boolean {
  const { code } = reason as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENODEV" || code === "EOPNOTSUPP";
}
