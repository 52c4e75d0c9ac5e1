import { NotImplementedError } from "../errors.js";
import type { DirectoryTree } from "../tree/directory-tree.js";
import type { TreeNode } from "../tree/tree.js";
import { joinPath } from "../tree/tree-path.js";

/** What else some files are called. */
export interface FurtherNames {
  /** All their names, by path. */
  readonly nodes: ReadonlyMap<string, TreeNode>;
  /** A directory that could not be looked into. */
  readonly unseen?: string;
}

/**
 * Looks for all names of files through a whole tree. Only what concerns them can fail: what else is in the tree need not be
 * readable, or have names that are text.
 *
 * @param inodes which files.
 * @throws {NotImplementedError} when one of their names is not UTF-8
 */
export async function furtherNames(tree: DirectoryTree, inodes: ReadonlySet<string>): Promise<FurtherNames> {
  const nodes = new Map<string, TreeNode>();
  let unseen: string | undefined;
  const visit = async (path: string): Promise<void> => {
    const entries = await entriesOf(tree, path, ({ inode, type }) => {
      if (type === "directory") unseen ??= path;
      if (!inodes.has(inode)) return;
      throw new NotImplementedError(
        `Cannot list ${tree.directory}/${path}: a further name of a changed file, in it, is not UTF-8`,
      );
    });
    if (entries === undefined) unseen ??= path;
    for (const [name, node] of entries ?? []) {
      const below = joinPath(path, name);
      if (node.type === "directory") await visit(below);
      else if (inodes.has(node.inode)) nodes.set(below, node);
    }
  };
  await visit("");
  return { nodes, ...(unseen === undefined ? {} : { unseen }) };
}

async function entriesOf(tree: DirectoryTree, path: string, leaveOut: (node: TreeNode) => void) {
  try {
    return await tree.entries(path, leaveOut);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "EACCES") return undefined;
    throw reason;
  }
}
