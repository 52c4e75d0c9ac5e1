import { existsSync } from "node:fs";
import { access, constants, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { kill } from "node:process";

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
  const members = cgroups.split("\n").map((line) => /^(\d+):([^:]*):(.*)$/.exec(line) ?? []);
  const v1 = members.find(([, , controllers = ""]) => controllers.split(",").includes("freezer"))?.[3];
  const own = cgroupAbove(v1 ?? members.find(([, hierarchy]) => hierarchy === "0")?.[3] ?? "", cgroupsPath);
  if (own === undefined || own.includes("..")) return undefined;
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

/**
 * The container's cgroup among those a process is in, innermost first: a path of the cgroup filesystem, or slice, prefix and name of one of
 * systemd's. All of its names must be there as they are: one like `user` is part of many.
 */
function cgroupAbove(own: string, cgroupsPath: string): string | undefined {
  const segments = own.split("/");
  for (let end = segments.length; end > 0; end--) {
    const above = segments.slice(0, end);
    if (endings(cgroupsPath).some((names) => names.length > 0 && isEnding(above, names))) return above.join("/");
  }
  return undefined;
}

function endings(cgroupsPath: string): readonly (readonly string[])[] {
  const plain = cgroupsPath.split("/").filter((name) => name !== "");
  const [, prefix, name, more] = cgroupsPath.split(":");
  if (prefix === undefined || name === undefined || name === "" || more !== undefined) return [plain];
  if (name.endsWith(".slice")) return [plain, [name]];
  return [plain, [`${prefix === "" ? "" : `${prefix}-`}${name}.scope`]];
}

function isEnding(segments: readonly string[], names: readonly string[]): boolean {
  const from = segments.length - names.length;
  return from >= 0 && names.every((name, at) => segments[from + at] === name);
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
