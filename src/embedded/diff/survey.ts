import type { Tree, TreeNode, Xattrs } from "../snapshots/tree.js";
import { joinPath } from "../snapshots/tree-path.js";

/** What there is at a path, and what tells it from another tree's. */
export interface Surveyed extends TreeNode {
  readonly xattrs: Xattrs | undefined;
  /** All names of the same file, when there are more than this one. */
  readonly names: readonly string[];
}

/** Everything in a tree by path, a directory before what is in it. Sockets are no part of it: nothing can keep them. */
export async function survey(tree: Tree): Promise<ReadonlyMap<string, Surveyed>> {
  const xattrs = await tree.xattrs();
  const found = new Map<string, Surveyed>();
  const names = new Map<string, string[]>();
  const visit = async (path: string): Promise<void> => {
    const node = await tree.stat(path);
    if (node === undefined || node.type === "socket") return;
    const shared: string[] = node.links > 1 ? (names.get(node.inode) ?? []) : [];
    if (node.links > 1) {
      shared.push(path);
      names.set(node.inode, shared);
    }
    found.set(path, { ...node, xattrs: xattrs.get(path), names: shared });
    if (node.type !== "directory") return;
    for (const name of await tree.list(path)) await visit(joinPath(path, name));
  };
  await visit("");
  return found;
}
