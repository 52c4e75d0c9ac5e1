import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "../call-options.js";
import { waitFor } from "../call-timeout.js";
import { DataLossError, DeadlineExceededError } from "../errors.js";
import { type Digest, parseDigest } from "../oci/digest.js";
import { fileError } from "./layout/file-errors.js";
import { chunksOf, openPlain } from "./layout/files.js";

/** The files a daemon keeps its blobs in, for who may read them. */
export interface LocalContent {
  /** The root of the daemon's content store; `undefined` where it is not known to be the same directory for this process. */
  readonly root: () => Promise<string | undefined>;
  /** What has fewer bytes is asked of the daemon, which sends it in the time it takes to say that it may be read. Default: 256 KiB. */
  readonly fromBytes?: number | undefined;
}

/**
 * Where the files are, if that can be told in the call's time; else it does not matter why, for the call that follows meets the
 * same daemon.
 */
export function findRoot({ root }: LocalContent, call: CallOptions): Promise<string | undefined> {
  return waitFor(root(), call).catch(() => undefined);
}

/** The file a daemon keeps a blob in, below the root of its content store. */
export function blobPath(root: string, digest: Digest): string {
  return join(root, "blobs", ...parseDigest(digest).split(":"));
}

/** Opens the file of a blob; `undefined` when it is not there, cannot be read, or is not the plain file that the daemon knows. */
export async function openBlobFile(root: string, digest: Digest, size: number): Promise<FileHandle | undefined> {
  // Whatever is wrong, the daemon is asked, and has its own words for it.
  const file = await openPlain(blobPath(root, digest)).catch(() => undefined);
  if (file === undefined) return undefined;
  const found = await file.stat().catch(() => undefined);
  if (found?.size === size) return file;
  await file.close();
  return undefined;
}

/** Yields a part of a blob from its file, and closes that. */
export async function* blobFileChunks(
  file: FileHandle,
  digest: Digest,
  { from, to }: { readonly from: number; readonly to: number },
  { signal, timeoutMs = Number.POSITIVE_INFINITY }: CallOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const startedAt = performance.now();
  let at = from;
  try {
    for await (const chunk of chunksOf(file, from, to)) {
      signal?.throwIfAborted();
      if (performance.now() - startedAt >= timeoutMs) {
        throw new DeadlineExceededError(`Reading ${digest} took longer than ${timeoutMs} ms`);
      }
      at += chunk.length;
      yield chunk;
    }
  } catch (reason) {
    throw fileError(reason, `read ${digest}`);
  } finally {
    await file.close();
  }
  if (at < to) throw new DataLossError(`Cannot read ${digest}: its file ends after ${at} bytes, expected ${to}`);
}
