import { FailedPreconditionError } from "../errors.js";
import { lostXattrs } from "../tree/changes.js";
import { DirectoryTree } from "../tree/directory-tree.js";
import { type Surveyed, survey } from "../tree/survey.js";
import type { Tree, TreeNode, Xattrs } from "../tree/tree.js";
import { joinPath, parentOf } from "../tree/tree-path.js";
import type { FoundChanges } from "./found-changes.js";
import { lostXattrsOf, type Unkept } from "./unkept.js";

const OVERLAY = /^(?:trusted|user)\.overlay\./;

/**
 * Finds what the upper directory of an overlay says.
 *
 * @see https://docs.kernel.org/6.12/filesystems/overlayfs.html#whiteouts-and-opaque-directories
 */
export async function overlayChanges(
  upper: DirectoryTree,
  lowers: readonly string[] | undefined,
): Promise<FoundChanges> {
  const sockets: string[] = [];
  const all = await survey(upper, (path) => sockets.push(path), await upper.allXattrs());
  const nodes = new Map<string, Surveyed>();
  const deleted: string[] = [];
  const opaque: string[] = [];
  for (const [path, node] of all) {
    if (isWhiteout(node)) {
      deleted.push(path);
      continue;
    }
    const told = overlayValues(node.xattrs);
    for (const name of ["redirect", "metacopy"]) {
      if (!told.has(name)) continue;
      throw new FailedPreconditionError(
        `Cannot read what is changed in ${JSON.stringify(path)}: the overlay keeps a part of it elsewhere (${name})`,
        { hint: "Compare the mounted overlay with the root filesystem as it was." },
      );
    }
    if (told.get("opaque") === "y") opaque.push(path);
    nodes.set(path, { ...node, xattrs: withoutOverlay(node.xattrs) });
  }
  const trees = lowers?.map((directory) => new DirectoryTree(directory));
  for (const path of opaque) deleted.push(...(trees === undefined ? [path] : await hidden(path, trees, nodes)));
  return { nodes, deleted, sockets, unkept: await lostIn(nodes, new Set(opaque), trees ?? []) };
}

/** What directories lost that are there below, too: the uppermost of those that shine through says what they had. */
async function lostIn(
  nodes: ReadonlyMap<string, Surveyed>,
  opaque: ReadonlySet<string>,
  lowers: readonly DirectoryTree[],
): Promise<readonly Unkept[]> {
  const lost: Unkept[] = [];
  let left = [...nodes].filter(([path, { type }]) => type === "directory" && !isBelow(path, opaque));
  for (const lower of lowers) {
    const there = new Map<string, TreeNode>();
    for (const [path] of left) {
      const node = await lower.stat(path);
      if (node !== undefined) there.set(path, node);
    }
    const xattrs = await lower.xattrsOf(there.keys());
    for (const [path, { type }] of there) {
      const node = nodes.get(path);
      const had = withoutOverlay(xattrs.get(path));
      const names = node === undefined ? [] : lostXattrs({ type, xattrs: had }, node);
      if (names.length > 0) lost.push(lostXattrsOf(path, names));
    }
    left = left.filter(([path]) => !there.has(path));
  }
  return lost;
}

function isBelow(path: string, opaque: ReadonlySet<string>): boolean {
  if (opaque.has(path)) return true;
  return path !== "" && isBelow(parentOf(path), opaque);
}

/** A device of no driver; or, where devices cannot be made, an empty file that is marked. */
function isWhiteout({ type, device, size, xattrs }: Surveyed): boolean {
  if (type === "character-device") return device?.major === 0 && device.minor === 0;
  return type === "file" && size === 0 && overlayValues(xattrs).has("whiteout");
}

function overlayValues(xattrs: Xattrs = new Map()): ReadonlyMap<string, string> {
  const marks = [...xattrs].filter(([name]) => OVERLAY.test(name));
  return new Map(marks.map(([name, value]) => [name.replace(OVERLAY, ""), Buffer.from(value).toString("latin1")]));
}

function withoutOverlay(xattrs: Xattrs | undefined): Xattrs | undefined {
  const kept = new Map([...(xattrs ?? [])].filter(([name]) => !OVERLAY.test(name)));
  return kept.size === 0 ? undefined : kept;
}

/** What of the directories below does not show through any more. */
async function hidden(
  directory: string,
  lowers: readonly Tree[],
  nodes: ReadonlyMap<string, Surveyed>,
): Promise<readonly string[]> {
  const below = new Map<string, TreeNode>();
  for (const lower of lowers) {
    const node = await lower.stat(directory);
    if (node === undefined) continue;
    if (node.type !== "directory") break;
    for (const [name, child] of await lower.entries(directory)) {
      if (!below.has(name)) below.set(name, child);
    }
  }
  const found: string[] = [];
  for (const [name, { type }] of below) {
    const path = joinPath(directory, name);
    const node = nodes.get(path);
    if (node === undefined) found.push(path);
    else if (node.type === "directory" && type === "directory") found.push(...(await hidden(path, lowers, nodes)));
  }
  return found;
}
