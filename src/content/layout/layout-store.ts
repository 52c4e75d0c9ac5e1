import type { FileHandle } from "node:fs/promises";
import type { CallOptions } from "../../call-options.js";
import {
  AlreadyExistsError,
  DataLossError,
  InvalidArgumentError,
  OutOfRangeError,
  UnavailableError,
} from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { algorithmOf, type Digest } from "../../oci/digest.js";
import { putThroughWriter } from "../blob.js";
import type { Visit } from "../blob-claims.js";
import { infoMatcher, statusMatcher } from "../filter-match.js";
import { checkRange } from "../range.js";
import type { Info, PutOptions, Range, Status, Store, Writer, WriterOptions } from "../store.js";
import { verified } from "../verified.js";
import { BlobFiles } from "./blob-files.js";
import { callLimit } from "./call-limit.js";
import { Claim } from "./claims.js";
import { during, fileError } from "./file-errors.js";
import { limitedChunksOf } from "./files.js";
import { IngestFiles } from "./ingest-files.js";
import { LayoutDirectory, type LayoutOptions } from "./layout-directory.js";
import { LayoutIndex } from "./layout-index.js";
import { LayoutWriter } from "./layout-writer.js";
import { Visits } from "./visits.js";

/**
 * A content store in an OCI image layout: a directory with a file for each blob, which other tools read and write too. It may be
 * used by several processes of this library at once, and no process that ends, however it does, leaves it broken: a blob is there
 * whole or not at all, and an ingest goes on where it was. Labels, ingests and locks are kept in a directory of their own inside it.
 * It collects no garbage, and leases mean nothing to it: what an import that failed had made goes, but for what another store
 * object or process may have found meanwhile. A signal or a time limit ends a call between two accesses to the disk.
 *
 * Files are made for this user only, because a checkpoint holds the memory of a program; see `public` of the options.
 *
 * @example
 * ```ts
 * const layout = await LayoutStore.open("/var/backups/counter", { create: true });
 * const image = await client.images.get("counter:frozen");
 * await copy(client.content, layout, image.target);
 * await layout.index.tag(image.name, image.target);
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export class LayoutStore implements Store {
  /** The images it names. */
  readonly index: LayoutIndex;
  readonly #directory: LayoutDirectory;
  readonly #blobs: BlobFiles;
  readonly #ingests: IngestFiles;
  readonly #visits: Visits;

  private constructor(directory: LayoutDirectory) {
    this.#directory = directory;
    this.#blobs = new BlobFiles(directory);
    this.#ingests = new IngestFiles(directory);
    this.#visits = new Visits(directory);
    this.index = new LayoutIndex(directory, this.#blobs);
  }

  /**
   * Opens the layout in a directory. Nothing is written to one that is there already until something is stored.
   *
   * @throws {NotFoundError} when there is none and `create` is not set
   * @throws {FailedPreconditionError} when there shall be one in a directory that has other things in it, or parts of it are links
   * @throws {NotImplementedError} when it is of another version than 1.0.0
   */
  static open(directory: string, options: LayoutOptions = {}): Promise<LayoutStore> {
    return during(
      `open layout ${directory}`,
      async () => new LayoutStore(await LayoutDirectory.open(directory, options)),
    );
  }

  /** The layout's directory, without links. */
  get path(): string {
    return this.#directory.path;
  }

  /** @inheritDoc */
  async *read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options: Range & CallOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset, length, ...call } = options;
    checkRange({ offset, length });
    const limit = callLimit(call);
    if (length === 0) return;
    const what = `read ${target.digest}`;
    const { handle, size } = await during(what, () => this.#blobs.open(target.digest));
    try {
      const from = offset ?? 0;
      if (from > size) throw new OutOfRangeError(`read past object length ${size} bytes`);
      const part = limitedChunksOf(handle, from, length === undefined ? size : Math.min(size, from + length), limit);
      if (offset !== undefined || length !== undefined) {
        yield* part;
        return;
      }
      if (target.size !== undefined && target.size !== size) {
        throw new DataLossError(`Cannot read ${target.digest}: expected ${target.size} bytes, got ${size}`);
      }
      yield* verified(part, target);
    } catch (reason) {
      throw fileError(reason, what);
    } finally {
      await handle.close();
    }
  }

  /** @inheritDoc */
  writer(ref: string, options: WriterOptions = {}): Promise<Writer> {
    return during(`open ingest ${ref}`, () => this.#writer(ref, options));
  }

  /** @inheritDoc */
  put(ref: string, bytes: Uint8Array, options: PutOptions): Promise<Info> {
    return putThroughWriter(this, ref, bytes, options);
  }

  /** @inheritDoc */
  async info(digest: Digest, call: CallOptions = {}): Promise<Info> {
    callLimit(call);
    return during(`look for ${digest}`, () => this.#blobs.info(digest));
  }

  /** @inheritDoc */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Info, void, undefined> {
    const limit = callLimit(call);
    const matches = infoMatcher(filters);
    try {
      for await (const digest of this.#blobs.digests()) {
        limit();
        const info = await this.#blobs.stat(digest);
        if (info !== undefined && matches(info)) yield info;
      }
    } catch (reason) {
      throw fileError(reason, "list blobs");
    }
  }

  /** @inheritDoc */
  async update(digest: Digest, labels: Readonly<Record<string, string | null>>, call: CallOptions = {}): Promise<Info> {
    const limit = callLimit(call);
    return during(`label ${digest}`, () => this.#blobs.update(digest, labels, limit));
  }

  /** @inheritDoc */
  async delete(digest: Digest, call: CallOptions = {}): Promise<void> {
    const limit = callLimit(call);
    await during(`delete ${digest}`, () => this.#blobs.delete(digest, limit));
  }

  /** @inheritDoc */
  async status(ref: string, call: CallOptions = {}): Promise<Status> {
    callLimit(call);
    return during(`look for ingest ${ref}`, () => this.#ingests.status(ref));
  }

  /** @inheritDoc */
  async *statuses(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Status, void, undefined> {
    const limit = callLimit(call);
    const matches = statusMatcher(filters);
    try {
      for await (const status of this.#ingests.statuses()) {
        limit();
        if (matches(status)) yield status;
      }
    } catch (reason) {
      throw fileError(reason, "list ingests");
    }
  }

  /** @inheritDoc */
  async abort(ref: string, call: CallOptions = {}): Promise<void> {
    callLimit(call);
    await during(`abort ingest ${ref}`, () => this.#ingests.drop(ref));
  }

  /** @internal */
  visit(): Promise<Visit> {
    return during("begin work in the layout", () => this.#visits.begin());
  }

  /** Whether a blob that was there just now is there to stay: it may be part of an import that fails. */
  async #stays(digest: Digest): Promise<boolean> {
    await this.#visits.meet();
    return (await this.#blobs.stat(digest)) !== undefined;
  }

  async #writer(ref: string, { size, expected, ...call }: WriterOptions): Promise<Writer> {
    const limit = callLimit(call);
    if (ref === "") throw new InvalidArgumentError("Cannot open an ingest without a ref");
    if (expected !== undefined) {
      algorithmOf(expected);
      if ((await this.#blobs.stat(expected)) !== undefined && (await this.#stays(expected))) {
        throw new AlreadyExistsError(`content ${expected}: already exists`);
      }
    }
    await this.#directory.prepare();
    const claim = await this.#directory.claims.take(this.#ingests.key(ref), limit);
    if (!(claim instanceof Claim)) {
      const forMs = Date.now() - claim.heldAt.getTime();
      throw new UnavailableError(`ref ${ref} locked for ${forMs}ms (since ${claim.heldAt.toISOString()})`);
    }
    let handle: FileHandle | undefined;
    try {
      handle = await this.#ingests.open(ref, size, expected, limit);
      await claim.check();
      const { signal } = call;
      const mode = this.#directory.fileMode;
      const [ingests, blobs, visits] = [this.#ingests, this.#blobs, this.#visits];
      return await LayoutWriter.begin({
        ref,
        ingests,
        blobs,
        visits,
        claim,
        handle,
        mode,
        size,
        expected,
        signal,
        limit,
      });
    } catch (reason) {
      await handle?.close();
      await claim[Symbol.asyncDispose]();
      throw reason;
    }
  }
}
