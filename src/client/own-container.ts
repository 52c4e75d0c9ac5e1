import { readFile } from "node:fs/promises";
import type { CallOptions } from "../call-options.js";
import { cgroupOf, frozenCgroup } from "../guardian/container-cgroup.js";
import type { ContainerRecord } from "./container-record.js";
import type { Mount } from "./mount.js";
import type { Services } from "./services.js";
import { hasSamePids } from "./shared-root.js";
import { unpackSpec } from "./spec-any.js";

/** What the kernel says of this process and of a container. */
export interface Whereabouts {
  /** The cgroups of this process, as in its `/proc/self/cgroup`. */
  readonly cgroups: string;
  /** Its mounts, as in its `/proc/self/mountinfo`. */
  readonly mountinfo: string;
  /** The cgroups of the container's first process, where ids mean the same here as to the daemon. */
  readonly theirs: string | undefined;
  /** The container's cgroup, as its spec has it. */
  readonly cgroupsPath: string;
  /** How the daemon mounts the container's root filesystem. */
  readonly mounts: readonly Mount[];
}

/** Whether this process is one of a container's own, as far as it can know. */
export async function isOwnContainer(
  services: Services,
  { spec }: ContainerRecord,
  pid: number,
  mounts: readonly Mount[],
  call: CallOptions,
): Promise<boolean> {
  if (!services.local) return false;
  const cgroupsPath = (spec && unpackSpec(spec).linux?.cgroupsPath) ?? "";
  const read = (path: string) => readFile(path, "utf8").catch(() => undefined);
  const [cgroups = "", mountinfo = "", theirs] = await Promise.all([
    read("/proc/self/cgroup"),
    read("/proc/self/mountinfo"),
    hasSamePids(services, call).then((same) => (same && pid > 0 ? read(`/proc/${pid}/cgroup`) : undefined)),
  ]);
  return isWithin({ cgroups, mountinfo, theirs, cgroupsPath, mounts });
}

/** The same, from what is known. Where cgroups are hidden from a container, its root filesystem tells. */
export function isWithin({ cgroups, mountinfo, theirs, cgroupsPath, mounts }: Whereabouts): boolean {
  const own = frozenCgroup(cgroups).path;
  const container = theirs === undefined ? undefined : cgroupOf(frozenCgroup(theirs).path, cgroupsPath);
  if (container !== undefined) return own === container || own.startsWith(`${container}/`);
  return cgroupOf(own, cgroupsPath) !== undefined || hasRoot(mountinfo, mounts);
}

/** Whether the root of these mounts is an overlay that writes where one of a container's does. */
function hasRoot(mountinfo: string, mounts: readonly Mount[]): boolean {
  const wanted = mounts.flatMap(({ options }) => options).filter((option) => option.startsWith("upperdir="));
  const roots = mountinfo.split("\n").filter((line) => line.split(" ")[4] === "/");
  const [type, , options = ""] = roots.at(-1)?.split(" - ")[1]?.split(" ") ?? [];
  return type === "overlay" && options.split(",").some((option) => wanted.includes(option));
}
