import { InvalidArgumentError, ResourceExhaustedError } from "../../errors.js";
import type { TarHeader } from "../../tar/tar.js";

const MOST_PATH_BYTES = 4096;
const MOST_NAME_BYTES = 255;

/**
 * The path of a member of a root filesystem's diff, below that root; the root itself is empty. Any character but NUL may be in it.
 *
 * @throws {InvalidArgumentError} when it does not lead straight down
 * @throws {ResourceExhaustedError} when no file system takes it
 */
export function rootfsPath({ name, type }: Pick<TarHeader, "name" | "type">): string {
  const bare = type === "directory" ? name.replace(/\/$/, "") : name;
  if (type === "directory" && bare === ".") return "";
  return straightPath(bare.replace(/^(?:\.\/)+/, ""), name);
}

/** The path below the root that a list of deleted files means; it is absolute there. */
export function deletedPath(path: string): string {
  return straightPath(path.replace(/^\/+/, "").replace(/\/+$/, ""), path);
}

/** The directory a path lies in; the root's is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function straightPath(path: string, shown: string): string {
  const names = path.split("/");
  if (path.includes("\0") || names.some((name) => name === "" || name === "." || name === "..")) {
    throw new InvalidArgumentError(
      `Cannot use path ${quoted(shown)} of a root filesystem: it does not lead straight down`,
    );
  }
  if (Buffer.byteLength(path) > MOST_PATH_BYTES || names.some((name) => Buffer.byteLength(name) > MOST_NAME_BYTES)) {
    throw new ResourceExhaustedError(`Cannot use path ${quoted(shown)} of a root filesystem: it is too long`);
  }
  return path;
}

function quoted(path: string): string {
  return JSON.stringify(path.slice(0, 160));
}
