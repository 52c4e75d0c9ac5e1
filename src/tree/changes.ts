import { type Surveyed, survey } from "./survey.js";
import type { Tree, Xattrs } from "./tree.js";
import { parentOf } from "./tree-path.js";

/** One difference between two trees. */
export type Change =
  /** What the upper tree has at a path, and the lower one has not, or otherwise. */
  | { readonly path: string; readonly node: Surveyed }
  /** What the upper tree has not. */
  | { readonly path: string; readonly node: undefined };

/** How differences are looked for. */
interface DifferenceOptions {
  /** Whether the trees did not come from one another, so that content is the same only where every byte is. */
  readonly isStrange?: boolean;
  /** Told of the sockets, which nothing can keep. */
  readonly leaveOut?: (path: string) => void;
  /** Told of directories that lost extended attributes, which no tar can say, and of the names of these. */
  readonly loseXattrs?: (path: string, names: readonly string[]) => void;
}

/**
 * What has to be done to the lower tree to make it the upper one, a directory before what is in it. Directories above a change
 * are part of it, so that their times stay what they are.
 */
export async function changesBetween(
  lower: Tree,
  upper: Tree,
  { isStrange = false, leaveOut, loseXattrs }: DifferenceOptions = {},
): Promise<readonly Change[]> {
  const [before, after] = [await survey(lower), await survey(upper, leaveOut)];
  const changed = new Set<string>();
  for (const [path, node] of after) {
    const old = before.get(path);
    const lost = old === undefined ? [] : lostXattrs(old, node);
    if (lost.length > 0) loseXattrs?.(path, lost);
    const isSame = old !== undefined && (await isSameNode(path, { lower, upper, isStrange }, old, node));
    if (!isSame) for (const name of node.names.length > 1 ? node.names : [path]) changed.add(name);
  }
  const gone = [...before.keys()].filter((path) => !after.has(path) && after.get(parentOf(path))?.type === "directory");
  for (const path of [...changed, ...gone]) {
    for (let above = path; above !== ""; ) {
      above = parentOf(above);
      if (above !== "") changed.add(above);
    }
  }
  return inOrder(after, changed, gone);
}

/** The extended attributes a directory has no more; whatever else is applied anew, and has its own only. */
export function lostXattrs(
  before: Pick<Surveyed, "type" | "xattrs">,
  after: Pick<Surveyed, "type" | "xattrs">,
): readonly string[] {
  if (before.type !== "directory" || after.type !== "directory") return [];
  return [...(before.xattrs?.keys() ?? [])].filter((name) => after.xattrs?.has(name) !== true);
}

/** In the order of the upper tree; what is gone right after the directory it was in. */
function inOrder(
  after: ReadonlyMap<string, Surveyed>,
  changed: ReadonlySet<string>,
  gone: readonly string[],
): readonly Change[] {
  const goneFrom = new Map<string, string[]>();
  for (const path of gone) goneFrom.set(parentOf(path), [...(goneFrom.get(parentOf(path)) ?? []), path]);
  const changes: Change[] = [];
  for (const [path, node] of after) {
    if (changed.has(path)) changes.push({ path, node });
    for (const each of goneFrom.get(path) ?? []) changes.push({ path: each, node: undefined });
  }
  return changes;
}

async function isSameNode(
  path: string,
  { isStrange, ...trees }: { readonly lower: Tree; readonly upper: Tree; readonly isStrange: boolean },
  old: Surveyed,
  node: Surveyed,
): Promise<boolean> {
  if (old.type !== node.type || old.mode !== node.mode || old.uid !== node.uid || old.gid !== node.gid) return false;
  if (old.linkName !== node.linkName || !isSameBytes(old.linkBytes, node.linkBytes)) return false;
  if (!isSameDevice(old, node)) return false;
  if (!isSameXattrs(old.xattrs, node.xattrs) || old.names.join("\0") !== node.names.join("\0")) return false;
  // The root's own time says only that something in it changed.
  if (microsecondsOf(old) !== microsecondsOf(node)) return path === "" && !isStrange;
  if (node.type !== "file" || (!isStrange && old.version !== undefined && old.version === node.version)) return true;
  if (!isStrange && node.isCopy && trees.upper.copyOf !== undefined && trees.upper.copyOf === trees.lower.directory)
    return true;
  return old.size === node.size && isSameContent(trees.lower.read(path), trees.upper.read(path));
}

/** As exact as every Node.js can set it. */
function microsecondsOf({ modifiedAt, modifiedAtNs }: Surveyed): bigint {
  return modifiedAtNs === undefined ? BigInt(modifiedAt.getTime()) * 1000n : modifiedAtNs / 1000n;
}

function isSameDevice({ device: old }: Surveyed, { device }: Surveyed): boolean {
  return old?.major === device?.major && old?.minor === device?.minor;
}

function isSameXattrs(old: Xattrs = new Map(), xattrs: Xattrs = new Map()): boolean {
  if (old.size !== xattrs.size) return false;
  return [...xattrs].every(([name, value]) => isSameBytes(old.get(name), value));
}

function isSameBytes(old: Uint8Array | undefined, bytes: Uint8Array | undefined): boolean {
  if (old === undefined || bytes === undefined) return old === bytes;
  return Buffer.compare(old, bytes) === 0;
}

async function isSameContent(left: AsyncIterable<Uint8Array>, right: AsyncIterable<Uint8Array>): Promise<boolean> {
  const others = right[Symbol.asyncIterator]();
  let other = Buffer.alloc(0);
  try {
    for await (const chunk of left) {
      for (let at = 0; at < chunk.length; ) {
        if (other.length === 0) {
          const next = await others.next();
          if (next.done) return false;
          other = Buffer.from(next.value);
        }
        const length = Math.min(other.length, chunk.length - at);
        if (other.compare(chunk, at, at + length, 0, length) !== 0) return false;
        other = other.subarray(length);
        at += length;
      }
    }
    return other.length === 0 && (await others.next()).done === true;
  } finally {
    await others.return?.();
  }
}
