import { deletedPath, parentOf } from "../checkpoint/rootfs/rootfs-path.js";
import { InvalidArgumentError, NotFoundError } from "../errors.js";
import { type Surveyed, survey } from "../tree/survey.js";
import type { Tree } from "../tree/tree.js";
import type { FoundChanges } from "./found-changes.js";
import type { RootfsChange } from "./rootfs-change.js";

/** Finds in a tree what was listed as changed, and further names of the same files. */
export async function listedChanges(tree: Tree, changes: readonly RootfsChange[]): Promise<FoundChanges> {
  const sockets: string[] = [];
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
  if (added.size + taken.size === 0) return { nodes: new Map(), deleted: [...deleted], sockets };
  const all = await survey(tree, (path) => sockets.push(path));
  const isListed = (path: string) => {
    for (let at = path; ; at = parentOf(at)) {
      if (added.has(at)) return true;
      if (at === "") return taken.has(path);
    }
  };
  for (const path of [...added, ...taken]) {
    if (all.has(path) || sockets.includes(path)) continue;
    throw new NotFoundError(`Cannot pack ${JSON.stringify(path)}: it was listed as changed, and is not there`);
  }
  const wanted = new Set<string>();
  for (const [path, { names }] of all) {
    if (isListed(path)) for (const name of names.length > 1 ? names : [path]) wanted.add(name);
  }
  const nodes = new Map<string, Surveyed>([...all].filter(([path]) => wanted.has(path)));
  return { nodes, deleted: [...deleted], sockets: sockets.filter(isListed) };
}
