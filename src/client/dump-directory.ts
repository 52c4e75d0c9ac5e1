import { lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { geteuid } from "node:process";
import type { CallOptions } from "../call-options.js";
import { isFileError } from "../content/layout/file-errors.js";
import { FailedPreconditionError, ResourceExhaustedError } from "../errors.js";
import type { DumpSpace } from "./dump-space.js";
import { once } from "./once.js";
import type { Operation } from "./operation.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";

const OWNER_ONLY = 0o700;
const OTHERS = 0o077;

/** A directory for criu's images, which only we and the daemon can enter. */
export interface DumpDirectory extends DumpSpace {
  /** Where criu's images lie in it. */
  readonly images: string;
  /** Takes it away with all that is in it. Happens by itself when the operation ends. */
  remove(): Promise<void>;
}

/** Where the dump directories of a namespace lie in a daemon's root: one for each operation, named after it. */
export function dumpHome(root: string, namespace: string): string {
  return join(root, "containerd-client", encodeURIComponent(namespace));
}

/** The dump directory of one operation. */
export function dumpPath(root: string, namespace: string, operationId: string): string {
  return join(dumpHome(root, namespace), encodeURIComponent(operationId));
}

/**
 * Makes the dump directory of an operation, for so many bytes, in the daemon's root, on the disk of its content and never in a directory for
 * all. `undefined` when the daemon's root is not ours to write to.
 *
 * @throws {FailedPreconditionError} when somebody else has a say in the directory above it
 * @throws {ResourceExhaustedError} when the disk is full
 */
export async function makeDumpDirectory(
  services: Services,
  operation: Pick<Operation, "id" | "atEnd">,
  bytes: number,
  call: CallOptions,
): Promise<DumpDirectory | undefined> {
  const shared = await sharedRoot(services, call);
  if (shared === undefined) return undefined;
  const { root, content } = shared;
  const home = dumpHome(root, services.namespace);
  const path = dumpPath(root, services.namespace, operation.id);
  const images = join(path, "images");
  const remove = once(() => removeDump(path));
  try {
    await mkdir(home, { mode: OWNER_ONLY, recursive: true });
    await Promise.all([join(home, ".."), home].map(requireOurs));
    operation.atEnd(`dump in ${path}`, remove);
    // The same operation may have been begun before, by a process that died.
    await removeDump(path);
    await mkdir(path, { mode: OWNER_ONLY });
    await mkdir(images, { mode: OWNER_ONLY });
  } catch (reason) {
    if (isFileError(reason, "EACCES", "EPERM", "EROFS")) return undefined;
    if (!isFileError(reason, "ENOSPC", "EDQUOT")) throw reason;
    throw new ResourceExhaustedError(`Cannot make ${path}: the disk is full`, { cause: reason });
  }
  return { path, images, content, bytes, remove };
}

/** Takes a dump directory away, whose dead or aborted owner may have a daemon that still writes there for a moment. */
export async function removeDump(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 10 });
}

async function requireOurs(path: string): Promise<void> {
  const { uid, mode } = await lstat(path);
  if (uid === geteuid?.() && (mode & OTHERS) === 0) return;
  throw new FailedPreconditionError(
    `Cannot dump below ${path}: it belongs to user ${uid} and has mode ${(mode & 0o777).toString(8)}`,
    { hint: "Remove it, or make it this process's own with mode 700." },
  );
}
