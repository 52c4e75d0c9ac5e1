import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isFileError } from "../content/layout/file-errors.js";
import { isFresh } from "../content/layout/layout-directory.js";
import { isAlive, ownIdentity } from "../content/layout/process-identity.js";

const NAME = /^\.containerd-client_[0-9a-f-]{36}_(.+)\.partial$/;

/** A path beside `path` for what becomes it once it is whole, a file or a directory. It names this process, so that others see whether it still writes. */
export function partialPath(path: string): string {
  return join(dirname(resolve(path)), `.containerd-client_${randomUUID()}_${ownIdentity()}.partial`);
}

/** Whether it is such a path, and nobody writes there any more. */
export async function isLeftPartial(path: string): Promise<boolean> {
  const writer = NAME.exec(basename(path))?.[1];
  if (writer === undefined) return false;
  return !(isAlive(writer) ?? (await isFresh(path)));
}

/** Removes from a directory what was never finished, and has no writer any more. */
export async function removeLeftPartials(directory: string): Promise<void> {
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    if (await isLeftPartial(path)) await rm(path, { recursive: true, force: true });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (reason) {
    // One may write where one may not look.
    if (isFileError(reason, "EACCES")) return [];
    throw reason;
  }
}
