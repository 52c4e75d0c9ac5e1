import { FailedPreconditionError, InvalidArgumentError, NotImplementedError } from "../errors.js";
import type { Tree } from "./tree.js";

// As many as the daemon follows.
const MOST_LINKS = 255;
const MOST_PATH_BYTES = 4096;
const MOST_NAME_BYTES = 255;

/**
 * A path from the tree's root, without `.`, `..`, and slashes at its ends; the root itself is empty. `..` leads to the root at
 * most.
 *
 * @param path any path.
 * @param mark what the last name may begin with and still be as long as a name can be without it.
 * @throws {InvalidArgumentError} when no file system has such a path
 */
export function cleanPath(path: string, mark = ""): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  const clean = names.join("/");
  const last = names.at(-1);
  const marked = last?.startsWith(mark) ? mark.length : 0;
  const isTooLong = Buffer.byteLength(clean) - marked > MOST_PATH_BYTES;
  if (marked > 0 && last !== undefined) names[names.length - 1] = last.slice(marked);
  if (isTooLong || !names.every(isName)) throw unusable(clean);
  return clean;
}

function isName(name: string): boolean {
  return !name.includes("\0") && Buffer.byteLength(name) <= MOST_NAME_BYTES;
}

function unusable(path: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot use path ${JSON.stringify(path.slice(0, 80))}: it is too long, or has a NUL`);
}

/** The directory a clean path lies in; the root's is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** The last name of a clean path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The order of names in a directory. */
export function byName(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** A clean path with a name after it. */
export function joinPath(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

/**
 * Where a path leads to when the tree is the root of all: links are followed, and lead nowhere else. What is not there is taken
 * as it is said.
 *
 * @param tree where the path is looked up.
 * @param path any path.
 * @param followLast whether a link at the very end is followed, too.
 * @throws {FailedPreconditionError} when there are too many links
 * @throws {InvalidArgumentError} when no file system has such a path
 * @throws {NotImplementedError} when one of them points to what is not UTF-8
 */
export async function realPath(tree: Tree, path: string, followLast = true): Promise<string> {
  const left = path.split("/").reverse();
  let real = "";
  for (let links = 0; left.length > 0; ) {
    const name = left.pop() ?? "";
    if (name === "" || name === ".") continue;
    if (name === "..") {
      real = parentOf(real);
      continue;
    }
    if (!isName(name)) throw unusable(path);
    const next = joinPath(real, name);
    const isLast = left.every((rest) => rest === "" || rest === ".");
    const node = isLast && !followLast ? undefined : await tree.stat(next);
    if (node?.type !== "symlink") {
      real = next;
      continue;
    }
    if (++links > MOST_LINKS) throw new FailedPreconditionError(`Cannot follow ${path}: too many links`);
    const { linkName = "" } = node;
    if (node.linkBytes !== undefined) {
      throw new NotImplementedError(`Cannot follow ${path}: what ${next} points to is not UTF-8`);
    }
    if (linkName.startsWith("/")) real = "";
    // One by one: a call takes only so many arguments.
    for (const part of linkName.split("/").reverse()) left.push(part);
  }
  return cleanPath(real);
}
