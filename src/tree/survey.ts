import type { Tree, TreeNode, Xattrs } from "./tree.js";
import { joinPath } from "./tree-path.js";

/** What there is at a path, and what tells it from another tree's. */
export interface Surveyed extends TreeNode {
  readonly xattrs: Xattrs | undefined;
  /** All names of the same file, when there are more than this one. */
  readonly names: readonly string[];
}

/** Everything in a tree by path, a directory before what is in it. Sockets are no part of it: nothing can keep them. */
export async function survey(
  tree: Tree,
  leaveOut: (path: string) => void = () => {},
  known?: ReadonlyMap<string, Xattrs>,
): Promise<ReadonlyMap<string, Surveyed>> {
  const xattrs = known ?? (await tree.xattrs());
  const found = new Map<string, TreeNode>();
  const visit = async (path: string, node: TreeNode): Promise<void> => {
    if (node.type === "socket") {
      leaveOut(path);
      return;
    }
    found.set(path, node);
    if (node.type !== "directory") return;
    for (const [name, child] of await tree.entries(path)) await visit(joinPath(path, name), child);
  };
  const root = await tree.stat("");
  if (root !== undefined) await visit("", root);
  return surveyed(found, xattrs);
}

/** Brings together what was found of files with several names. */
export function surveyed(
  nodes: ReadonlyMap<string, TreeNode>,
  xattrs: ReadonlyMap<string, Xattrs>,
): ReadonlyMap<string, Surveyed> {
  const found = new Map<string, Surveyed>();
  const names = new Map<string, string[]>();
  for (const [path, node] of nodes) {
    const shared: string[] = node.links > 1 ? (names.get(node.inode) ?? []) : [];
    if (node.links > 1) {
      shared.push(path);
      names.set(node.inode, shared);
    }
    found.set(path, { ...node, xattrs: xattrs.get(path), names: shared });
  }
  for (const shared of names.values()) shareXattrs(found, shared);
  return found;
}

/** They are told of one name of a file, and are those of all. */
function shareXattrs(found: Map<string, Surveyed>, names: readonly string[]): void {
  const xattrs = names.map((name) => found.get(name)?.xattrs).find((one) => one !== undefined);
  if (xattrs === undefined) return;
  for (const name of names) {
    const node = found.get(name);
    if (node !== undefined) found.set(name, { ...node, xattrs });
  }
}
