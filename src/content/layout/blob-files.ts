import type { Stats } from "node:fs";
import { type FileHandle, lstat, opendir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataLossError, FailedPreconditionError, NotFoundError } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import { type Digest, digestOf, isDigest, parseDigest } from "../../oci/digest.js";
import { fieldOf, MAX_DOCUMENT_SIZE, optionalString, optionalStringMap, parseJsonObject } from "../../oci/json.js";
import { applyLabels } from "../labels.js";
import type { Info } from "../store.js";
import type { CallLimit } from "./call-limit.js";
import { isFileError } from "./file-errors.js";
import { isDirectory, openPlain, readPlain, syncDirectory } from "./files.js";
import type { LayoutDirectory } from "./layout-directory.js";

interface Sidecar {
  readonly labels: Labels;
  readonly updatedAt: Date | undefined;
}

/** The blobs of a layout as files, and their labels in files beside them. */
export class BlobFiles {
  readonly #directory: LayoutDirectory;

  constructor(directory: LayoutDirectory) {
    this.#directory = directory;
  }

  /** Opens a blob to be read. */
  async open(digest: Digest): Promise<{ readonly handle: FileHandle; readonly size: number }> {
    if ((await this.#stats(digest)) === undefined) throw notFound(digest);
    try {
      const handle = await openPlain(this.#path(digest));
      return { handle, size: (await handle.stat()).size };
    } catch (reason) {
      throw isFileError(reason, "ENOENT") ? notFound(digest, reason) : reason;
    }
  }

  /** What is known about a blob; undefined when it is not there. */
  async stat(digest: Digest): Promise<Info | undefined> {
    const stats = await this.#stats(digest);
    if (stats === undefined) return undefined;
    const { labels, updatedAt } = await this.#sidecar(digest);
    const createdAt = new Date(stats.mtimeMs);
    return { digest, size: stats.size, labels, createdAt, updatedAt: updatedAt ?? createdAt };
  }

  async info(digest: Digest): Promise<Info> {
    const info = await this.stat(digest);
    if (info === undefined) throw notFound(digest);
    return info;
  }

  /** Yields the digests of all that looks like a blob. */
  async *digests(): AsyncGenerator<Digest, void, undefined> {
    for await (const algorithm of entries(this.#directory.blobs)) {
      if (!algorithm.isDirectory()) continue;
      for await (const entry of entries(join(this.#directory.blobs, algorithm.name))) {
        const digest = `${algorithm.name}:${entry.name}`;
        if (entry.isFile() && isDigest(digest)) yield digest;
      }
    }
  }

  async update(digest: Digest, changes: Readonly<Record<string, string | null>>, limit: CallLimit): Promise<Info> {
    if (Object.keys(changes).length === 0) return this.info(digest);
    await this.info(digest);
    return this.#alone(digest, limit, async () => {
      const { labels } = await this.info(digest);
      await this.#label(digest, applyLabels(labels, changes));
      return this.info(digest);
    });
  }

  async delete(digest: Digest, limit: CallLimit): Promise<void> {
    if ((await this.#stats(digest)) === undefined) throw notFound(digest);
    await this.#alone(digest, limit, async () => {
      if ((await this.#stats(digest)) === undefined) throw notFound(digest);
      // Labels that outlived the blob would be those of the next one.
      await rm(this.#sidecarPath(digest), { force: true });
      await rm(this.#path(digest), { force: true });
    });
  }

  /** Makes a blob of a file, or adds the labels to the one that is there; the file is gone afterwards. `close` makes its bytes last. */
  async adopt(
    from: string,
    close: () => Promise<void>,
    { digest, size, labels }: { readonly digest: Digest; readonly size: number; readonly labels: Labels },
    limit: CallLimit,
  ): Promise<Info> {
    return this.#alone(digest, limit, async () => {
      const there = await this.stat(digest);
      const all = applyLabels(there?.labels ?? {}, labels);
      if (there !== undefined && there.size !== size) {
        throw new DataLossError(`Cannot use ${digest}: the layout has ${there.size} bytes, expected ${size}`, {
          hint: "Delete the damaged blob, then write it again.",
        });
      }
      if (there === undefined) {
        const path = this.#path(digest);
        await close();
        await this.#directory.makeDirectory(dirname(path));
        await this.#label(digest, all);
        await rename(from, path);
        await syncDirectory(dirname(path));
      } else {
        if (Object.keys(labels).length > 0) await this.#label(digest, all);
        await rm(from);
      }
      return this.info(digest);
    });
  }

  async #label(digest: Digest, labels: Labels): Promise<void> {
    const path = this.#sidecarPath(digest);
    if (Object.keys(labels).length === 0 && (await readPlain(path, MAX_DOCUMENT_SIZE)) === undefined) return;
    const text = JSON.stringify({ labels, updatedAt: new Date().toISOString() });
    await this.#directory.replace(path, text);
  }

  async #sidecar(digest: Digest): Promise<Sidecar> {
    const none = { labels: {}, updatedAt: undefined };
    if (!(await this.#directory.hasPrivate())) return none;
    const bytes = await readPlain(this.#sidecarPath(digest), MAX_DOCUMENT_SIZE);
    if (bytes === undefined) return none;
    try {
      const document = parseJsonObject(bytes, "labels");
      const updatedAt = optionalString(document, "updatedAt", "labels");
      const labels = fieldOf(document, "labels") === undefined ? {} : optionalStringMap(document, "labels", "blob");
      return { labels: { ...labels }, updatedAt: updatedAt === undefined ? undefined : new Date(updatedAt) };
    } catch (cause) {
      throw new DataLossError(`Cannot read the labels of ${digest}: their file is damaged`, { cause });
    }
  }

  async #alone<T>(digest: Digest, limit: CallLimit, act: () => Promise<T>): Promise<T> {
    await this.#directory.prepare();
    // A digest may have characters that part the names of locks.
    const key = digestOf(Buffer.from(digest)).replace("sha256:", "blob-");
    return this.#directory.claims.during(key, limit, act);
  }

  async #stats(digest: Digest): Promise<Stats | undefined> {
    const path = this.#path(digest);
    if (!(await isDirectory(dirname(path)))) return undefined;
    try {
      const stats = await lstat(path);
      if (!stats.isFile()) throw new FailedPreconditionError(`Cannot use blob ${digest}: it is no plain file`);
      return stats;
    } catch (reason) {
      if (isFileError(reason, "ENOENT")) return undefined;
      throw reason;
    }
  }

  #path(digest: Digest): string {
    return join(this.#directory.blobs, ...parseDigest(digest).split(":"));
  }

  #sidecarPath(digest: Digest): string {
    // No digest has a dot after its colon, so no two have the same name.
    return this.#directory.private("labels", `${digest.replace(":", ".")}.json`);
  }
}

function notFound(digest: Digest, cause?: unknown): NotFoundError {
  return new NotFoundError(`content digest ${digest}: not found`, { cause });
}

async function* entries(path: string) {
  if (await isDirectory(path)) yield* await opendir(path);
}
