import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { FailedPreconditionError, ResourceExhaustedError } from "../../errors.js";
import type { CallLimit } from "./call-limit.js";
import { isFileError } from "./file-errors.js";

/** As much as is read from or written to a file at once. */
export const CHUNK_BYTES: number = 1024 * 1024;

const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as { O_NOFOLLOW?: number; O_NONBLOCK?: number };

/**
 * Opens a plain file, and nothing else: what a symbolic link points to is not the layout's, and a pipe would wait for a writer.
 *
 * @throws {FailedPreconditionError} when it is anything else
 */
export async function openPlain(path: string, flags: number = constants.O_RDONLY, mode?: number): Promise<FileHandle> {
  const handle = await open(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
  try {
    if (!(await handle.stat()).isFile()) throw new FailedPreconditionError(`Cannot open ${path}: it is no plain file`);
    return handle;
  } catch (reason) {
    await handle.close();
    throw reason;
  }
}

/** Reads a small plain file; undefined when there is none. */
export async function readPlain(path: string, maxBytes: number): Promise<Buffer | undefined> {
  let handle: FileHandle;
  try {
    handle = await openPlain(path);
  } catch (reason) {
    if (isFileError(reason, "ENOENT")) return undefined;
    throw reason;
  }
  try {
    const { size } = await handle.stat();
    if (size > maxBytes)
      throw new ResourceExhaustedError(`Cannot read ${path}: ${size} bytes, at most ${maxBytes} are taken`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** Yields a part of a file; each chunk belongs to the reader, and while it has one the next is read. */
export async function* chunksOf(
  handle: FileHandle,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const read = async (at: number): Promise<Uint8Array> => {
    const length = Math.min(CHUNK_BYTES, to - at);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, at);
    return buffer.subarray(0, bytesRead);
  };
  let ahead = from < to ? read(from) : undefined;
  try {
    for (let at = from; ahead !== undefined; ) {
      const chunk: Uint8Array = await ahead;
      ahead = undefined;
      if (chunk.length === 0) return;
      at += chunk.length;
      if (at < to) ahead = read(at);
      // It fails when it is waited for.
      ahead?.catch(() => {});
      yield chunk;
    }
  } finally {
    // The file must not be closed under it.
    await ahead?.catch(() => {});
  }
}

/** Yields a part of a file as long as the call may go on. */
export async function* limitedChunksOf(
  handle: FileHandle,
  from: number,
  to: number,
  limit: CallLimit,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunksOf(handle, from, to)) {
    yield chunk;
    limit();
  }
}

/** Writes all of the bytes at a place in a file. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

/** Makes a directory's entries last. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories, and needs none of this.
  if (process.platform === "win32") return;
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Tells whether there is a directory.
 *
 * @throws {FailedPreconditionError} when there is something else: a link would lead out of the layout
 */
export async function isDirectory(path: string): Promise<boolean> {
  try {
    if ((await lstat(path)).isDirectory()) return true;
  } catch (reason) {
    if (isFileError(reason, "ENOENT")) return false;
    throw reason;
  }
  throw new FailedPreconditionError(`Cannot use ${path}: it is no directory of its own`);
}
