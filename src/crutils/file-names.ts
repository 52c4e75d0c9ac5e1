import { NotImplementedError } from "../errors.js";

/** What was added or changed in a root filesystem, a tar. */
export const ROOTFS_DIFF = "rootfs-diff.tar";

/** What was deleted from it, a list in JSON. */
export const DELETED_FILES = "deleted.files";

/** @throws {NotImplementedError} where a descriptor is no path: there no link can be kept from being followed. */
export function checkSystem(what: string): void {
  if (process.platform === "linux") return;
  throw new NotImplementedError(`Cannot ${what}: paths are confined by Linux's /proc, and this is ${process.platform}`);
}

/** Whether owners can be set. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
