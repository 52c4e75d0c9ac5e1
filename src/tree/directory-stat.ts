import { type BigIntStats, constants } from "node:fs";
import { instantOf } from "../tar/instant.js";
import type { NodeType, TreeNode } from "./tree.js";

const types: ReadonlyMap<number, NodeType> = new Map([
  [constants.S_IFREG, "file"],
  [constants.S_IFDIR, "directory"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFIFO, "fifo"],
  [constants.S_IFCHR, "character-device"],
  [constants.S_IFBLK, "block-device"],
  [constants.S_IFSOCK, "socket"],
]);

/** What the kernel says of a path in a tree that was copied at that time. */
export function nodeFromStat(stat: BigIntStats, link: Uint8Array | undefined, copiedAtNs: bigint): TreeNode {
  const type = types.get(Number(stat.mode) & constants.S_IFMT) ?? "socket";
  const linkName = link && Buffer.from(link).toString();
  const isDevice = type === "character-device" || type === "block-device";
  return {
    type,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    ...instantOf(stat.mtimeNs),
    size: type === "file" ? Number(stat.size) : 0,
    linkName,
    ...(linkName?.includes("\uFFFD") ? { linkBytes: link } : {}),
    device: isDevice ? deviceNumbers(stat.rdev) : undefined,
    inode: `${stat.dev}:${stat.ino}`,
    links: type === "directory" ? 1 : Number(stat.nlink),
    // A time of whole seconds was set by somebody, and may be set again after a change.
    version: type === "file" && stat.mtimeNs % 1_000_000_000n !== 0n ? `${stat.size} ${stat.mtimeNs}` : undefined,
    isCopy: stat.ctimeNs < copiedAtNs,
  };
}

/** Linux's way of putting two numbers into one. */
function deviceNumbers(device: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & ~0xffn)),
  };
}
