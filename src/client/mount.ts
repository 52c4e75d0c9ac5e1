import type { Mount as MountMessage } from "../api/types/mount_pb.js";

/** One mount that makes a snapshot visible. Paths are the daemon's. */
export interface Mount {
  /** Kind of mount, such as `overlay` or `bind`. */
  readonly type: string;
  /** What is mounted: a path or a device. */
  readonly source: string;
  /** Directory under the mount point; the mount point itself when absent. */
  readonly target?: string;
  /** Options in fstab's words. */
  readonly options: readonly string[];
}

/** A mount of the wire as a plain object. */
export function mountOf({ type, source, target, options }: MountMessage): Mount {
  return { type, source, ...(target === "" ? {} : { target }), options: [...options] };
}

/** A mount as the wire takes it. */
export function mountInit(mount: Mount): { type: string; source: string; target: string; options: string[] } {
  return { type: mount.type, source: mount.source, target: mount.target ?? "", options: [...mount.options] };
}
