import { changesBetween } from "../../tree/changes.js";
import type { Tree } from "../../tree/tree.js";

const BLOCK = 4096;

/** The space a tree takes beside what it stands on, in blocks as file systems count it. */
export async function usageOf(lower: Tree, upper: Tree): Promise<{ readonly size: number; readonly inodes: number }> {
  const inodes = new Set<string>();
  let size = 0;
  for (const { path, node } of [...(await changesBetween(lower, upper)), { path: "", node: await upper.stat("") }]) {
    if (node === undefined || inodes.has(node.inode)) continue;
    inodes.add(path === "" ? "the root" : node.inode);
    if (node.type === "directory") size += BLOCK;
    else size += Math.ceil(node.size / BLOCK) * BLOCK;
  }
  return { size, inodes: inodes.size };
}
