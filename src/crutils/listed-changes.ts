import { deletedPath } from "../checkpoint/rootfs/rootfs-path.js";
import { InvalidArgumentError, NotFoundError } from "../errors.js";
import type { DirectoryTree } from "../tree/directory-tree.js";
import { surveyed } from "../tree/survey.js";
import type { TreeNode } from "../tree/tree.js";
import { byName, joinPath } from "../tree/tree-path.js";
import type { FoundChanges } from "./found-changes.js";
import { furtherNames } from "./further-names.js";
import type { RootfsChange } from "./rootfs-change.js";
import type { Unkept } from "./unkept.js";

/** Finds in a tree what was listed as changed, and further names of the same files; nothing else is looked at. */
export async function listedChanges(tree: DirectoryTree, changes: readonly RootfsChange[]): Promise<FoundChanges> {
  const sockets = new Set<string>();
  const deleted = new Set<string>();
  const added = new Set<string>();
  const taken = new Set<string>();
  for (const { path, kind } of changes) {
    const below = kind === "modified" && /^\/+$/.test(path) ? "" : deletedPath(path);
    if (kind === "deleted") deleted.add(below);
    else if (kind === "added") added.add(below);
    else if (kind === "modified") taken.add(below);
    else throw new InvalidArgumentError(`Cannot list changes: ${JSON.stringify(path)} was ${JSON.stringify(kind)}`);
  }
  const found = new Map<string, TreeNode>();
  const whole = new Set<string>();
  const visit = async (path: string, node: TreeNode, isWhole: boolean): Promise<void> => {
    if (node.type === "socket") {
      sockets.add(path);
      return;
    }
    found.set(path, node);
    if (node.type !== "directory" || !isWhole || whole.has(path)) return;
    whole.add(path);
    for (const [name, child] of await tree.entries(path)) await visit(joinPath(path, name), child, true);
  };
  for (const path of [...added, ...taken]) {
    const node = await tree.stat(path);
    if (node !== undefined) await visit(path, node, added.has(path));
    else throw new NotFoundError(`Cannot pack ${JSON.stringify(path)}: it was listed as changed, and is not there`);
  }
  const unkept = await addFurtherNames(tree, found);
  const nodes = new Map([...found].sort(([one], [other]) => inTree(one, other)));
  const xattrs = await tree.xattrsOf(nodes.keys());
  return { nodes: surveyed(nodes, xattrs), deleted: [...deleted], sockets: [...sockets], unkept };
}

async function addFurtherNames(tree: DirectoryTree, found: Map<string, TreeNode>): Promise<readonly Unkept[]> {
  const missing = new Map<string, number>();
  for (const { inode, links } of found.values()) {
    if (links > 1) missing.set(inode, (missing.get(inode) ?? links) - 1);
  }
  const incomplete = new Set([...missing].filter(([, count]) => count > 0).map(([inode]) => inode));
  if (incomplete.size === 0) return [];
  const known = [...found].filter(([, { inode }]) => incomplete.has(inode));
  const { nodes, unseen } = await furtherNames(tree, incomplete);
  for (const [path, node] of nodes) found.set(path, node);
  if (unseen === undefined) return [];
  const reason = `${JSON.stringify(`/${unseen}`)} cannot be looked into, where further names of it may be`;
  const names = (inode: string) => [...nodes.values()].filter((node) => node.inode === inode).length;
  return known
    .filter(([, { inode, links }]) => names(inode) < links)
    .map(([path]) => ({ path, what: "names", reason }));
}

/** A directory before what is in it, and else by name. */
function inTree(one: string, other: string): number {
  const [left, right] = [one, other].map((path) => (path === "" ? [] : path.split("/"))) as [string[], string[]];
  for (const [at, name] of left.entries()) {
    const against = right[at];
    if (against === undefined) return 1;
    if (name !== against) return byName(name, against);
  }
  return left.length - right.length;
}
