import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DeletedPaths } from "../checkpoint/rootfs/deleted-paths.js";
import { deletedPath } from "../checkpoint/rootfs/rootfs-path.js";
import { during } from "../content/layout/file-errors.js";
import { writeWholeFile } from "../content/layout/whole-file.js";
import { changesBetween } from "../tree/changes.js";
import { DirectoryTree } from "../tree/directory-tree.js";
import { writeMembers } from "../tree/layer.js";
import type { Surveyed } from "../tree/survey.js";
import { checkSystem, DELETED_FILES, ROOTFS_DIFF } from "./file-names.js";
import type { FoundChanges } from "./found-changes.js";
import { listedChanges } from "./listed-changes.js";
import { overlayChanges } from "./overlay-changes.js";
import type { RootfsDiffSource } from "./rootfs-change.js";
import { lostXattrsOf, type Unkept } from "./unkept.js";

/** What came of packing the changes of a root filesystem. */
export interface CreatedRootfsDiff {
  /** The files that were written, for an archive to include: `rootfs-diff.tar`, `deleted.files`, both, or none. */
  readonly includeFiles: readonly string[];
  /** What of the changes could not be kept. */
  readonly unkept: readonly Unkept[];
}

/**
 * Packs what was changed in a root filesystem for a checkpoint archive: what was added or modified as `rootfs-diff.tar`, with
 * directories' modes and owners, hard links, extended attributes and times to the nanosecond; what was deleted as `deleted.files`.
 * The changes come as a list, or are found by comparing two trees, or from the upper directory of an overlay. Both files appear whole
 * or not at all; where nothing was changed, none does.
 *
 * Extended attributes are read by GNU tar, but for those of symbolic links. Access control lists, and labels of the machine's security modules, are no part of it. The content of sparse
 * files is written out in full; applying it makes holes again. No tar can say that a directory lost an extended attribute: it is
 * told, where there is something to compare with. Works on Linux only.
 *
 * @param source where the changes are found.
 * @param destination the directory the files are written to.
 * @example
 * ```ts
 * const { includeFiles } = await createRootfsDiff({ lower: "/image/rootfs", mountPoint: "/run/bundle/rootfs" }, "/var/tmp/checkpoint");
 * ```
 * @throws {InvalidArgumentError} when a listed path does not lead straight down
 * @throws {NotFoundError} when what was listed as changed is not there
 * @throws {FailedPreconditionError} when an overlay keeps parts of a file elsewhere
 * @throws {NotImplementedError} when the system is not Linux, there is no GNU tar, or a name is not UTF-8
 * @throws {ResourceExhaustedError} when the disk is full
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRCreateRootFsDiffTar
 */
export async function createRootfsDiff(source: RootfsDiffSource, destination: string): Promise<CreatedRootfsDiff> {
  checkSystem(`create ${ROOTFS_DIFF}`);
  const tree = new DirectoryTree("upperdir" in source ? source.upperdir : source.mountPoint);
  const {
    nodes,
    deleted,
    sockets,
    unkept: others = [],
  } = await during(`find what is changed in ${tree.directory}`, () => find(source, tree));
  const gone = goneFor(deleted, nodes);
  const unkept = [
    ...sockets.map((path): Unkept => ({ path, what: "socket", reason: "nothing can keep it" })),
    ...others,
  ];
  const written: string[] = [];
  try {
    if (nodes.size > 0) {
      const changes = [...nodes].map(([path, node]) => ({ path, node }));
      await during(`write ${ROOTFS_DIFF}`, () =>
        writeBeside(join(destination, ROOTFS_DIFF), writeMembers(changes, tree)),
      );
      written.push(ROOTFS_DIFF);
    }
    if (gone.length > 0) {
      await writeBeside(join(destination, DELETED_FILES), once(Buffer.from(JSON.stringify(gone))));
      written.push(DELETED_FILES);
    }
  } catch (reason) {
    for (const name of written) await rm(join(destination, name), { force: true });
    throw reason;
  }
  return { includeFiles: written, unkept };
}

async function find(source: RootfsDiffSource, tree: DirectoryTree): Promise<FoundChanges> {
  if ("upperdir" in source) return overlayChanges(tree, source.lowerdirs);
  if ("changes" in source) return listedChanges(tree, source.changes);
  const sockets: string[] = [];
  const leaveOut = (path: string) => void sockets.push(path);
  const unkept: Unkept[] = [];
  const loseXattrs = (path: string, names: readonly string[]) => void unkept.push(lostXattrsOf(path, names));
  const changes = await changesBetween(new DirectoryTree(source.lower), tree, {
    isStrange: true,
    leaveOut,
    loseXattrs,
  });
  const nodes = new Map<string, Surveyed>();
  for (const { path, node } of changes) if (node !== undefined) nodes.set(path, node);
  return { nodes, deleted: changes.filter(({ node }) => node === undefined).map(({ path }) => path), sockets, unkept };
}

/** What another one replaced is not deleted: engines delete last. */
function goneFor(deleted: readonly string[], nodes: ReadonlyMap<string, Surveyed>): readonly string[] {
  const paths = new DeletedPaths(deleted.map(deletedPath));
  for (const [path, { type }] of nodes) paths.bring(path, type === "directory");
  return [...paths.fates()]
    .filter(({ fate }) => fate !== "replaced")
    .map(({ path }) => `/${path}`)
    .sort();
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function writeBeside(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  return writeWholeFile(path, `${path}.${randomBytes(6).toString("hex")}.partial`, chunks);
}
