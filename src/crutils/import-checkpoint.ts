import { createReadStream } from "node:fs";
import { posix } from "node:path";
import type { ArchivePart } from "../checkpoint/archive/part.js";
import { type ArchiveSource, type ReadArchiveOptions, readArchive } from "../checkpoint/archive/read.js";
import { during } from "../content/layout/file-errors.js";
import { FailedPreconditionError, InvalidArgumentError } from "../errors.js";
import { DirectoryTree } from "../tree/directory-tree.js";
import type { Attributes, Tree } from "../tree/tree.js";
import { parentOf } from "../tree/tree-path.js";
import { checkSystem } from "./file-names.js";

/** A checkpoint archive: its path, its bytes, or what opens them. */
export type CheckpointArchive = string | ArchiveSource;

const documents: ReadonlySet<ArchivePart["kind"]> = new Set(["config", "spec", "status", "bind-mounts", "pod"]);

/**
 * Unpacks of a checkpoint archive what describes the container: `config.dump`, `spec.dump`, and where they are there `status`,
 * `status.dump`, `bind.mounts` and the pod's; not its memory, its files, its logs. All that is written only its owner may read.
 *
 * @param destination an existing directory.
 * @param archive packed with gzip or zstd, or not at all; or the OCI archive of an image made of one.
 * @returns the names of the files that were written.
 * @throws {InvalidArgumentError} when a member must not be there, comes twice, or is not what its name says
 * @throws {FailedPreconditionError} when something else than a file is in the way
 * @throws {DataLossError} when it is no archive, damaged, cut off, or two readers would see two archives in it
 * @throws {ResourceExhaustedError} when a limit is passed, or the disk is full
 * @throws {NotFoundError} when there is no such archive or directory
 * @throws {NotImplementedError} when the system is not Linux
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRImportCheckpointConfigOnly
 */
export function importCheckpointConfigOnly(
  destination: string,
  archive: CheckpointArchive,
  options: ReadArchiveOptions = {},
): Promise<readonly string[]> {
  return importParts(destination, archive, options, ({ kind }) => documents.has(kind));
}

/**
 * Unpacks a checkpoint archive but for `config.dump` and `spec.dump`: what a runtime and a root filesystem need for a restore. All that
 * is written only its owner may read: it may hold the memory of a process. Of links only a dump's `parent` is made, when it leads
 * to another dump in the same archive.
 *
 * @param destination an existing directory.
 * @param archive packed with gzip or zstd, or not at all; or the OCI archive of an image made of one.
 * @returns the names of the files that were written.
 * @throws {InvalidArgumentError} when a member must not be there, comes twice, or is not what its name says
 * @throws {FailedPreconditionError} when something else than a file is in the way
 * @throws {DataLossError} when it is no archive, damaged, cut off, or two readers would see two archives in it
 * @throws {ResourceExhaustedError} when a limit is passed, or the disk is full
 * @throws {NotFoundError} when there is no such archive or directory
 * @throws {NotImplementedError} when the system is not Linux
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRImportCheckpointWithoutConfig
 */
export function importCheckpointWithoutConfig(
  destination: string,
  archive: CheckpointArchive,
  options: ReadArchiveOptions = {},
): Promise<readonly string[]> {
  return importParts(
    destination,
    archive,
    options,
    ({ kind }) => kind !== "config" && kind !== "spec" && kind !== "image",
  );
}

/** What an archive's path, too, stands for. */
export function sourceOf(archive: CheckpointArchive): ArchiveSource {
  return typeof archive === "string" ? () => createReadStream(archive) : archive;
}

async function importParts(
  destination: string,
  archive: CheckpointArchive,
  options: ReadArchiveOptions,
  isWanted: (part: ArchivePart) => boolean,
): Promise<readonly string[]> {
  checkSystem("import a checkpoint");
  const tree = new DirectoryTree(destination, undefined, false);
  const written: string[] = [];
  await during(`import a checkpoint into ${destination}`, async () => {
    await tree.entries("");
    for await (const part of readArchive(sourceOf(archive), options)) {
      if (!isWanted(part) || part.name === ".") continue;
      await write(tree, part);
      if (part.kind !== "directory") written.push(part.name);
    }
  });
  return written;
}

async function write(tree: Tree, part: ArchivePart): Promise<void> {
  const { name, modifiedAt } = part;
  const attributes: Attributes = { mode: 0o600, uid: 0, gid: 0, modifiedAt };
  await makeDirectories(tree, parentOf(name), modifiedAt);
  if (part.kind === "directory") return makeDirectories(tree, name, modifiedAt);
  const node = await tree.stat(name);
  if (node !== undefined && node.type !== "file") throw inTheWay(name, name, node.type);
  if (part.kind !== "parent") return tree.write(name, part.body, attributes);
  const target = posix.normalize(posix.join(parentOf(name), part.target));
  if (part.target.startsWith("/") || target.startsWith("..") || target === ".") {
    throw new InvalidArgumentError(
      `Cannot import member ${JSON.stringify(name)}: it leads out of the archive, to ${JSON.stringify(part.target)}`,
    );
  }
  if (node !== undefined) await tree.remove(name);
  return tree.make(name, { ...attributes, type: "symlink", linkName: part.target });
}

async function makeDirectories(tree: Tree, path: string, modifiedAt: Date): Promise<void> {
  if (path === "") return;
  const node = await tree.stat(path);
  if (node?.type === "directory") return;
  if (node !== undefined) throw inTheWay(path, path, node.type);
  await makeDirectories(tree, parentOf(path), modifiedAt);
  await tree.make(path, { type: "directory", mode: 0o700, uid: 0, gid: 0, modifiedAt });
}

function inTheWay(name: string, path: string, type: string): FailedPreconditionError {
  return new FailedPreconditionError(
    `Cannot import member ${JSON.stringify(name)}: ${JSON.stringify(path)} is there, a ${type}`,
  );
}
