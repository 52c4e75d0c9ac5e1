import { FailedPreconditionError, NotImplementedError } from "../errors.js";
import { WHITEOUT } from "../oci/whiteout.js";
import { type TarFile, type TarHeader, type TarStreamFile, writeTar } from "../tar/tar.js";
import { type Change, changesBetween } from "./changes.js";
import type { Surveyed } from "./survey.js";
import type { Tree } from "./tree.js";
import { joinPath, nameOf, parentOf } from "./tree-path.js";

/**
 * Writes what the upper tree has and the lower one has not as the tar of a layer; the same difference gives the same bytes. What no
 * layer can say is that a directory lost an extended attribute.
 *
 * @param lower what the layer will stand on.
 * @param upper what both together will be.
 * @param latest the latest time a file may carry.
 * @throws {FailedPreconditionError} when a file has a name that means something else in a layer
 * @throws {NotImplementedError} when a name, or what a link points to, is not UTF-8
 */
export async function* writeLayer(
  lower: Tree,
  upper: Tree,
  latest?: Date,
): AsyncGenerator<Uint8Array, void, undefined> {
  const changes = await changesBetween(lower, upper);
  yield* writeTar(members(changes, upper, latest));
}

/**
 * Writes a tar of what there is in a tree, a file's further names as links.
 *
 * @param found what there is, a directory before what is in it.
 */
export function writeMembers(
  found: readonly { readonly path: string; readonly node: Surveyed }[],
  tree: Tree,
): AsyncGenerator<Uint8Array, void, undefined> {
  return writeTar(nodes(found, tree, undefined, new Map()));
}

function* nodes(
  found: readonly { readonly path: string; readonly node: Surveyed }[],
  tree: Tree,
  latest: Date | undefined,
  written: Map<string, string>,
): Generator<TarFile | TarStreamFile, void, undefined> {
  for (const { path, node } of found) {
    const linkName = written.get(node.inode);
    if (linkName !== undefined) yield { ...attributesOf(path, node, latest), type: "link", linkName };
    else yield member(path, node, tree, latest);
    if (node.names.length > 1) written.set(node.inode, path);
  }
}

function* members(
  changes: readonly Change[],
  upper: Tree,
  latest: Date | undefined,
): Generator<TarFile | TarStreamFile, void, undefined> {
  const written = new Map<string, string>();
  for (const { path, node } of changes) {
    if (nameOf(path).startsWith(WHITEOUT)) {
      throw new FailedPreconditionError(`Cannot write ${path} to a layer: its name means that something is not there`);
    }
    if (node === undefined) {
      yield {
        name: joinPath(parentOf(path), `${WHITEOUT}${nameOf(path)}`),
        mode: 0,
        modifiedAt: latest ?? new Date(0),
      };
      continue;
    }
    yield* nodes([{ path, node }], upper, latest, written);
  }
}

function member(path: string, node: Surveyed, upper: Tree, latest: Date | undefined): TarFile | TarStreamFile {
  const header = attributesOf(path, node, latest);
  const { type, size, linkName, linkBytes, device } = node;
  switch (type) {
    case "file":
      return { ...header, size, body: () => upper.read(path) };
    case "directory":
      return { ...header, name: `${path === "" ? "." : path}/`, type };
    case "symlink":
      if (linkBytes !== undefined) {
        throw new NotImplementedError(`Cannot write ${path} to a layer: what it points to, ${linkName}, is not UTF-8`);
      }
      return { ...header, type, linkName: linkName ?? "" };
    case "fifo":
      return { ...header, type };
    case "character-device":
    case "block-device":
      return { ...header, type, device: device ?? { major: 0, minor: 0 } };
    case "socket":
      throw new FailedPreconditionError(`Cannot write ${path} to a layer: it is a socket`);
  }
}

function attributesOf(
  name: string,
  { mode, uid, gid, modifiedAt, modifiedAtNs, xattrs }: Surveyed,
  latest: Date | undefined,
): Pick<TarHeader, "name" | "mode" | "uid" | "gid" | "modifiedAt" | "modifiedAtNs" | "xattrs"> {
  const isLate = latest !== undefined && modifiedAt > latest;
  return {
    name,
    mode,
    uid,
    gid,
    modifiedAt: isLate ? latest : modifiedAt,
    ...(isLate || modifiedAtNs === undefined ? {} : { modifiedAtNs }),
    ...(xattrs === undefined ? {} : { xattrs }),
  };
}
