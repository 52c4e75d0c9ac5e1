import { basename, dirname, isAbsolute, join } from "node:path";

/** Where the directory of a checkpoint lies before it is whole, and when it is being deleted: nobody lists such names. */
export function hiddenPath(directory: string, operationId: string): string {
  return join(directory, `.${operationId}`);
}

/** Whether that is where an operation has a directory: what a lease says is anybody's to write. */
export function isHiddenPath(path: string, operationId: string): boolean {
  return isAbsolute(path) && path === hiddenPath(dirname(path), operationId) && basename(path).length > 1;
}
