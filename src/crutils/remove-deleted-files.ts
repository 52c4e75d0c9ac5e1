import { Documents } from "../checkpoint/archive/documents.js";
import { archiveEntries } from "../checkpoint/archive/entries.js";
import { type ArchiveLimits, documentBytes, limitsOf } from "../checkpoint/archive/limits.js";
import { DeletedPaths } from "../checkpoint/rootfs/deleted-paths.js";
import { deletedPath, parentOf, rootfsPath } from "../checkpoint/rootfs/rootfs-path.js";
import { during } from "../content/layout/file-errors.js";
import { FailedPreconditionError } from "../errors.js";
import { instantOf, nanosecondsOf } from "../tar/instant.js";
import { DirectoryTree } from "../tree/directory-tree.js";
import type { Tree } from "../tree/tree.js";
import { joinPath } from "../tree/tree-path.js";
import { checkSystem, DELETED_FILES, ROOTFS_DIFF } from "./file-names.js";

/**
 * Removes from a root filesystem what `deleted.files` of an unpacked checkpoint archive lists, with all below. What `rootfs-diff.tar`
 * beside it brings back stays: it does not matter whether that was applied before or is afterwards. All paths are looked at before
 * anything is removed; none leads out of the root or through a link. Works on Linux only.
 *
 * @param directory where the archive was unpacked.
 * @param rootfs the root filesystem.
 * @returns the paths that were removed, absolute in the root filesystem; what was not there is no error.
 * @throws {InvalidArgumentError} when the list is broken, or a path does not lead straight down
 * @throws {FailedPreconditionError} when a path would have to go through a link
 * @throws {ResourceExhaustedError} when a limit is passed
 * @throws {PermissionDeniedError} when this process may not remove something; what was removed before stays removed
 * @throws {NotImplementedError} when the system is not Linux
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRRemoveDeletedFiles
 */
export async function removeDeletedFiles(
  directory: string,
  rootfs: string,
  limits: ArchiveLimits = {},
): Promise<readonly string[]> {
  checkSystem("remove deleted files");
  const source = new DirectoryTree(directory);
  const listed = await during(`read ${DELETED_FILES}`, () => readPaths(source, limits));
  if (listed.length === 0) return [];
  const tree = new DirectoryTree(rootfs, undefined, false);
  const deleted = new DeletedPaths(listed);
  const times = new Map<string, bigint>();
  return during("remove deleted files", async () => {
    if ((await source.stat(ROOTFS_DIFF)) !== undefined) {
      for await (const entry of archiveEntries(source.read(ROOTFS_DIFF), limitsOf(limits))) {
        const path = rootfsPath(entry);
        deleted.bring(path, entry.type === "directory");
        if (entry.type === "directory") times.set(path, nanosecondsOf(entry));
      }
    }
    const gone: string[] = [];
    for (const { path, fate } of deleted.fates()) {
      if (fate === "replaced" || !(await leadsStraight(tree, path))) continue;
      if (fate === "gone") gone.push(path);
      else gone.push(...(await notBrought(tree, path, deleted)));
    }
    const removed: string[] = [];
    const changed = new Map<string, bigint>();
    for (const path of gone) {
      if ((await tree.stat(path)) === undefined) continue;
      await during(`remove ${JSON.stringify(path)}`, () => tree.remove(path));
      removed.push(`/${path}`);
      const time = times.get(parentOf(path));
      if (time !== undefined) changed.set(parentOf(path), time);
    }
    // What is taken out of a directory changes its time; the diff says which it is to have.
    for (const [path, ns] of changed) {
      const node = await tree.stat(path);
      if (node?.type === "directory") await tree.change(path, { ...node, modifiedAtNs: undefined, ...instantOf(ns) });
      else changed.delete(path);
    }
    await tree.setTimesExactly(changed);
    return removed;
  });
}

async function readPaths(source: Tree, limits: ArchiveLimits): Promise<readonly string[]> {
  const file = await source.stat(DELETED_FILES);
  if (file === undefined) return [];
  const whole = limitsOf(limits);
  const bytes = await documentBytes(DELETED_FILES, file.size, source.read(DELETED_FILES), whole);
  return new Documents(whole).paths(DELETED_FILES, bytes).map(deletedPath);
}

/** Whether what a path lies in is there. */
async function leadsStraight(tree: Tree, path: string): Promise<boolean> {
  const above = parentOf(path);
  if (above === "") return true;
  if (!(await leadsStraight(tree, above))) return false;
  const node = await tree.stat(above);
  if (node?.type !== "symlink") return node?.type === "directory";
  throw new FailedPreconditionError(
    `Cannot remove ${JSON.stringify(path)}: ${JSON.stringify(above)} is a link, which is not followed`,
  );
}

/** What of a directory that came back was there before. */
async function notBrought(tree: Tree, directory: string, deleted: DeletedPaths): Promise<readonly string[]> {
  const node = await tree.stat(directory);
  if (node?.type !== "directory") return [];
  const found: string[] = [];
  for (const [name, { type }] of await tree.entries(directory)) {
    const path = joinPath(directory, name);
    if (!deleted.isBrought(path)) found.push(path);
    else if (type === "directory") found.push(...(await notBrought(tree, path, deleted)));
  }
  return found;
}
