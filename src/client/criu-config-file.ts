import { lstat, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "../call-options.js";
import { criuConfigText } from "../checkpoint/criu-config.js";
import type { CriuConfig } from "../checkpoint/restore-plan.js";
import { during, isFileError } from "../content/layout/file-errors.js";
import { AlreadyExistsError } from "../errors.js";
import type { Operation } from "./operation.js";
import type { RestoreTarget } from "./restore-preflight.js";
import type { Services } from "./services.js";
import { knownServer } from "./shared-root.js";

/** Where the criu configuration of a container is. */
export function criuConfigPath(id: string, config: CriuConfig): string {
  return "path" in config ? config.path : join(config.directory, `${id}.criu.conf`);
}

/**
 * Looks whether a criu configuration can be written for a container that there is not yet. What one of the same id has left is no
 * obstacle.
 *
 * @throws {AlreadyExistsError} when a file of somebody else's is in its place
 */
export async function requireCriuConfigPlace(
  services: Services,
  id: string,
  path: string,
  call: CallOptions,
): Promise<void> {
  const text = await textAt(path);
  if (text === undefined || isOwn(text, await ownerLine(services, id, call))) return;
  throw new AlreadyExistsError(`Cannot write the criu configuration of container ${id}: there is a file ${path}`, {
    namespace: services.namespace,
    hint: "Remove it when no container uses it, or name another directory.",
  });
}

/** Writes it, over what {@link requireCriuConfigPlace} lets pass. */
export async function writeCriuConfig(
  services: Services,
  id: string,
  path: string,
  settings: RestoreTarget["criuSettings"],
  operation: Operation,
): Promise<void> {
  const owner = await ownerLine(services, id, operation.call);
  await during(`write ${path}`, async () => {
    const earlier = await textAt(path);
    if (earlier !== undefined && isOwn(earlier, owner)) await unlink(path);
    const file = await open(path, "wx", 0o600).catch((cause: unknown) => {
      if (!isFileError(cause, "EEXIST")) throw cause;
      throw new AlreadyExistsError(`Cannot write ${path}: somebody else has just made it`, { cause });
    });
    operation.onFailure(`file ${path}`, () => unlink(path));
    try {
      await file.writeFile(owner + criuConfigText(settings));
    } finally {
      await file.close();
    }
  });
}

/** Whether the file at the path is what an operation on that container has written, or was about to write. */
export async function isOwnCriuConfig(
  services: Services,
  id: string,
  path: string,
  call: CallOptions,
): Promise<boolean> {
  const text = await textAt(path);
  return text !== undefined && isOwn(text, await ownerLine(services, id, call));
}

/** What died when it had begun to write has not said all of it. */
function isOwn(text: string, owner: string): boolean {
  return text.startsWith(owner) || owner.startsWith(text);
}

/** A directory may serve many namespaces and daemons: the file says whose it is. To criu it is a comment. */
async function ownerLine(services: Services, id: string, call: CallOptions): Promise<string> {
  const server = (await knownServer(services, call))?.uuid ?? "";
  return `# containerd-client: ${JSON.stringify({ id, namespace: services.namespace, server })}\n`;
}

// Begins no line of ours.
const NO_FILE = "-";

/** What a file says; {@link NO_FILE} for what is none, and `undefined` where there is nothing at all. */
function textAt(path: string): Promise<string | undefined> {
  return during(`read ${path}`, async () => {
    try {
      return (await lstat(path)).isFile() ? await readFile(path, "utf8") : NO_FILE;
    } catch (reason) {
      if (isFileError(reason, "ENOENT")) return undefined;
      throw reason;
    }
  });
}
