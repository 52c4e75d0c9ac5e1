import { createReadStream } from "node:fs";
import type { ArchivePart, ParentPart } from "../checkpoint/archive/part.js";
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
 * is written only its owner may read: it may hold the memory of a process. Of links only a dump's `parent` is made, when all else is
 * there and it leads to a directory beside that dump.
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
    const links: ParentPart[] = [];
    for await (const part of readArchive(sourceOf(archive), options)) {
      if (!isWanted(part) || part.name === ".") continue;
      if (part.kind !== "parent") await write(tree, part);
      else {
        requireBeside(part);
        links.push(part);
      }
      if (part.kind !== "directory") written.push(part.name);
    }
    // Only now is it known what they lead to.
    for (const link of links) await makeLink(tree, link);
  });
  return written;
}

async function write(tree: Tree, part: Exclude<ArchivePart, ParentPart>): Promise<void> {
  const { name, modifiedAt } = part;
  if (part.kind === "directory") return makeDirectories(tree, name, modifiedAt);
  await makeDirectories(tree, parentOf(name), modifiedAt);
  const node = await tree.stat(name);
  if (node !== undefined && node.type !== "file") throw inTheWay(name, name, node.type);
  return tree.write(name, part.body, attributesOf(part));
}

function requireBeside({ name, target }: ParentPart): void {
  if (dumpBeside({ name, target }) !== undefined) return;
  throw new InvalidArgumentError(
    `Cannot import member ${JSON.stringify(name)}: it leads to no dump beside it, but to ${JSON.stringify(target.slice(0, 160))}`,
  );
}

/** The directory a link leads to: one beside its own, and by no other such link; undefined when it leads elsewhere. */
function dumpBeside({ name, target }: Pick<ParentPart, "name" | "target">): string | undefined {
  const up = name.includes("/") ? "../" : "";
  const dump = target.startsWith(up) ? target.slice(up.length) : "";
  return /^(?:|\.|\.\.|parent|.*[/\0].*)$/s.test(dump) ? undefined : dump;
}

async function makeLink(tree: Tree, part: ParentPart): Promise<void> {
  const { name, target: linkName, modifiedAt } = part;
  const dump = dumpBeside(part) ?? "";
  const led = await tree.stat(dump);
  // One that is not there is in an archive of its own, which is imported beside this one.
  if (led !== undefined && led.type !== "directory") throw inTheWay(name, dump, led.type);
  await makeDirectories(tree, parentOf(name), modifiedAt);
  const node = await tree.stat(name);
  if (node !== undefined && node.type !== "file") throw inTheWay(name, name, node.type);
  if (node !== undefined) await tree.remove(name);
  await tree.make(name, { ...attributesOf(part), type: "symlink", linkName });
}

function attributesOf({ modifiedAt }: ArchivePart): Attributes {
  return { mode: 0o600, uid: 0, gid: 0, modifiedAt };
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
