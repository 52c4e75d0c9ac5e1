import { lstat, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { MANIFEST_FILE } from "../../checkpoint/named/manifest.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { during, isFileError } from "../../content/layout/file-errors.js";
import { syncDirectory } from "../../content/layout/files.js";
import { FailedPreconditionError, isContainerdError } from "../../errors.js";
import { CleanUp } from "../clean-up.js";
import { newOperationId } from "../operation-id.js";
import { partialPath } from "../partial-file.js";
import { operationsHere } from "../recovery/owner.js";
import type { Services } from "../services.js";
import { workLabels } from "../under-lease.js";
import { readCheckpointDirectory } from "./checkpoint-directory.js";
import { noCheckpoint } from "./home.js";

/** What criu and Docker leave in a checkpoint directory, whole or not. */
const knownFile = /(?:\.img|\.json|\.log|^stats-dump|^\.?tmp.*)$/;
const knownDirectory = "criu.work";
/** What nobody but criu, its caller or Docker makes: images there are of many things. */
const mark =
  /^(?:(?:inventory|pstree|seccomp|cgroup|files|(?:core|mm|ids|fs|pagemap|pages)-\d+)\.img|descriptors\.json|stats-dump|criu\.work)$/;

/**
 * Removes the directory of a checkpoint, whole or half made; when one was `judged`, only that. It is gone at once, by a name that none
 * has; what is left of it then is known by a lease until it is gone, too.
 *
 * @throws {NotFoundError} when there is none, or not that one any more
 * @throws {FailedPreconditionError} when the directory is somebody's
 */
export async function deleteDirectory(
  services: Services,
  containerId: string,
  path: string,
  { signal }: CallOptions,
  judged?: NamedCheckpoint,
): Promise<void> {
  const name = basename(path);
  await requireCheckpoint(services, containerId, path);
  const { leases } = services;
  const id = newOperationId("delete");
  const partial = partialPath(path);
  const cleanUp = new CleanUp();
  operationsHere.add(id);
  const labels = workLabels(id, "delete", partial);
  try {
    await cleanUp.hold(
      `lease ${id}`,
      (made) => leases.create({ ...made, id, labels }),
      (end) => leases.delete({ id }, end),
      signal,
    );
    await during(`delete checkpoint directory ${path}`, async () => {
      const gone = () => noCheckpoint(services, containerId, name);
      if (!(await isJudged(path, judged))) throw gone();
      await rename(path, partial).catch((reason: unknown) => {
        throw isFileError(reason, "ENOENT") ? gone() : reason;
      });
      if (!(await isJudged(partial, judged))) {
        // It came in the moment since it was looked at.
        await rename(partial, path);
        throw gone();
      }
      await syncDirectory(dirname(path));
      await rm(partial, { recursive: true });
      await syncDirectory(dirname(path));
    });
  } finally {
    await cleanUp.run(false);
    operationsHere.delete(id);
  }
}

/** Whether there is anything at a path. */
export async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (reason: unknown) => {
      if (isFileError(reason, "ENOENT")) return false;
      throw reason;
    },
  );
}

/** Whether the checkpoint at a path is the one that was judged; when none was, any is. */
async function isJudged(path: string, judged: NamedCheckpoint | undefined): Promise<boolean> {
  if (judged === undefined) return true;
  try {
    const { checkpoint } = await readCheckpointDirectory(dirname(path), basename(path));
    const { containerId, createdAt, bytes } = checkpoint;
    return (
      containerId === judged.containerId && createdAt.getTime() === judged.createdAt.getTime() && bytes === judged.bytes
    );
  } catch (reason) {
    if (isContainerdError(reason)) return false;
    throw reason;
  }
}

/**
 * One that is half made may go, too; a directory with anything else in it, or nothing of criu's, is somebody's.
 *
 * @throws {NotFoundError} when there is none
 * @throws {FailedPreconditionError} when it is somebody's
 */
export async function requireCheckpoint(services: Services, containerId: string, path: string): Promise<void> {
  const strange = await during(`look at ${path}`, () => strangerIn(path));
  if (strange === undefined) return;
  const name = basename(path);
  if (strange === "") throw noCheckpoint(services, containerId, name);
  throw new FailedPreconditionError(
    `Cannot delete checkpoint ${JSON.stringify(name)} of container ${containerId}: ${path} holds ${JSON.stringify(strange)}, which is no checkpoint's`,
    { namespace: services.namespace },
  );
}

/** What in a directory belongs to no checkpoint; empty when there is no directory at all. An empty one may be half made. */
async function strangerIn(path: string): Promise<string | undefined> {
  if (!(await isThere(path)) || !(await lstat(path)).isDirectory()) return "";
  const entries = await readdir(path, { withFileTypes: true });
  if (entries.some(({ name }) => name === MANIFEST_FILE)) return undefined;
  const isMarked = entries.some(({ name }) => mark.test(name));
  const strange = entries.find((entry) =>
    entry.isFile() ? !knownFile.test(entry.name) : entry.name !== knownDirectory,
  );
  return (strange ?? (isMarked ? undefined : entries[0]))?.name;
}
