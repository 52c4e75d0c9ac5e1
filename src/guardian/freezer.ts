import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { kill } from "node:process";

/** The file through which the kernel freezes and thaws one cgroup. */
export interface Freezer {
  readonly path: string;
  readonly version: 1 | 2;
}

/**
 * Finds the freezer of a container's process. `undefined` where it is not seen from here, or where the process of that number
 * lies in a cgroup of another name: then numbers mean something else here than to the daemon.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files
 */
export async function findFreezer(pid: number, cgroupsPath: string): Promise<Freezer | undefined> {
  const name = cgroupsPath.split(/[/:]/).at(-1) ?? "";
  if (pid <= 0 || name === "") return undefined;
  try {
    const [cgroups, mounts] = await Promise.all([
      readFile(`/proc/${pid}/cgroup`, "utf8"),
      readFile("/proc/self/mountinfo", "utf8"),
    ]);
    return locate(cgroups, mounts, name);
  } catch {
    // No /proc, or no such process: the daemon's machine is another one.
    return undefined;
  }
}

function locate(cgroups: string, mounts: string, name: string): Freezer | undefined {
  const members = cgroups.split("\n").map((line) => /^(\d+):([^:]*):(.*)$/.exec(line) ?? []);
  const v1 = members.find(([, , controllers = ""]) => controllers.split(",").includes("freezer"))?.[3];
  const own = v1 ?? members.find(([, hierarchy]) => hierarchy === "0")?.[3];
  if (own === undefined || !own.includes(name) || own.includes("..")) return undefined;
  for (const line of mounts.split("\n")) {
    const [mount = "", filesystem = ""] = line.split(" - ");
    const [type = "", , options = ""] = filesystem.split(" ");
    const [, , , root = "", at = ""] = mount.split(" ");
    const fits = v1 === undefined ? type === "cgroup2" : type === "cgroup" && options.split(",").includes("freezer");
    if (!fits || (root !== "/" && !own.startsWith(`${root}/`))) continue;
    const directory = join(at, root === "/" ? own : own.slice(root.length));
    return v1 === undefined
      ? { path: join(directory, "cgroup.freeze"), version: 2 }
      : { path: join(directory, "freezer.state"), version: 1 };
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
 * Sends SIGKILL to each process in the cgroup, as far as they are this process's to kill. One that is frozen dies when it is let go,
 * before it does anything else.
 */
export async function killFrozen({ path }: Freezer): Promise<void> {
  const pids = await readFile(join(dirname(path), "cgroup.procs"), "utf8").catch((reason: unknown) => {
    if (isGone(reason)) return "";
    throw reason;
  });
  for (const pid of pids.split("\n").map(Number)) {
    try {
      if (pid > 1) kill(pid, "SIGKILL");
    } catch (reason) {
      const { code } = reason as NodeJS.ErrnoException;
      if (code !== "ESRCH" && code !== "EPERM") throw reason;
    }
  }
}

function isGone(reason: unknown): boolean {
  const { code } = reason as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENODEV";
}
