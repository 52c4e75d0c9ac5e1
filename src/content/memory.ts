import type { CallOptions } from "../call-options.js";
import {
  AlreadyExistsError,
  InvalidArgumentError,
  NotFoundError,
  OutOfRangeError,
  UnavailableError,
} from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, parseDigest } from "../oci/digest.js";
import { putThroughWriter } from "./blob.js";
import { infoMatcher, statusMatcher } from "./filter-match.js";
import { applyLabels } from "./labels.js";
import { MemoryIngest, type MemoryRoom, statusOf } from "./memory-ingest.js";
import { MemoryWriter } from "./memory-writer.js";
import { checkRange } from "./range.js";
import type { Info, PutOptions, Range, Status, Store, Writer, WriterOptions } from "./store.js";
import { verified } from "./verified.js";

const CHUNK_BYTES = 1024 * 1024;

/**
 * A content store in this process's memory, with the manners of a daemon's: locks, ingests that outlive their writers, the same
 * classes of errors. It collects no garbage, and leases mean nothing to it.
 *
 * @example
 * ```ts
 * const store = new MemoryStore();
 * const descriptor = await writeBlob(store, new TextEncoder().encode("{}"), { mediaType: "application/json" });
 * ```
 */
export class MemoryStore implements Store {
  readonly #room: MemoryRoom = { blobs: new Map(), ingests: new Map() };

  /** @inheritDoc */
  async *read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options: Range & CallOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset, length, signal } = options;
    checkRange({ offset, length });
    if (length === 0) return;
    const { bytes } = this.#blob(target.digest);
    const from = offset ?? 0;
    if (from > bytes.length) throw new OutOfRangeError(`read past object length ${bytes.length} bytes`);
    const part = bytes.subarray(from, length === undefined ? undefined : from + length);
    const chunks = chunked(part, signal);
    yield* offset === undefined && length === undefined ? verified(chunks, target) : chunks;
  }

  /** @inheritDoc */
  async writer(ref: string, options: WriterOptions = {}): Promise<Writer> {
    const { size, expected, signal } = options;
    signal?.throwIfAborted();
    if (ref === "") throw new InvalidArgumentError("Cannot open an ingest without a ref");
    if (expected !== undefined && this.#room.blobs.has(parseDigest(expected))) {
      throw new AlreadyExistsError(`content ${expected}: already exists`);
    }
    const ingest = this.#room.ingests.get(ref) ?? new MemoryIngest(ref, size, expected);
    if (ingest.lockedAt !== undefined) {
      const forMs = Date.now() - ingest.lockedAt.getTime();
      throw new UnavailableError(`ref ${ref} locked for ${forMs}ms (since ${ingest.lockedAt.toISOString()})`);
    }
    this.#room.ingests.set(ref, ingest);
    return new MemoryWriter(this.#room, ingest, { size, expected, signal });
  }

  /** @inheritDoc */
  put(ref: string, bytes: Uint8Array, options: PutOptions): Promise<Info> {
    return putThroughWriter(this, ref, bytes, options);
  }

  /** @inheritDoc */
  async info(digest: Digest, call: CallOptions = {}): Promise<Info> {
    call.signal?.throwIfAborted();
    return { ...this.#blob(digest).info };
  }

  /** @inheritDoc */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Info, void, undefined> {
    const matches = infoMatcher(filters);
    for (const { info } of [...this.#room.blobs.values()]) {
      call.signal?.throwIfAborted();
      if (matches(info)) yield { ...info };
    }
  }

  /** @inheritDoc */
  async update(digest: Digest, labels: Readonly<Record<string, string | null>>, call: CallOptions = {}): Promise<Info> {
    call.signal?.throwIfAborted();
    const blob = this.#blob(digest);
    if (Object.keys(labels).length > 0) {
      blob.info = { ...blob.info, labels: applyLabels(blob.info.labels, labels), updatedAt: new Date() };
    }
    return { ...blob.info };
  }

  /** @inheritDoc */
  async delete(digest: Digest, call: CallOptions = {}): Promise<void> {
    call.signal?.throwIfAborted();
    this.#blob(digest);
    this.#room.blobs.delete(digest);
  }

  /** @inheritDoc */
  async status(ref: string, call: CallOptions = {}): Promise<Status> {
    call.signal?.throwIfAborted();
    return statusOf(this.#ingest(ref));
  }

  /** @inheritDoc */
  async *statuses(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Status, void, undefined> {
    const matches = statusMatcher(filters);
    for (const ingest of [...this.#room.ingests.values()]) {
      call.signal?.throwIfAborted();
      if (matches(ingest)) yield statusOf(ingest);
    }
  }

  /** @inheritDoc */
  async abort(ref: string, call: CallOptions = {}): Promise<void> {
    call.signal?.throwIfAborted();
    this.#ingest(ref).drop();
    this.#room.ingests.delete(ref);
  }

  #blob(digest: Digest): { readonly bytes: Uint8Array; info: Info } {
    const blob = this.#room.blobs.get(parseDigest(digest));
    if (blob === undefined) throw new NotFoundError(`content digest ${digest}: not found`);
    return blob;
  }

  #ingest(ref: string): MemoryIngest {
    const ingest = this.#room.ingests.get(ref);
    if (ingest === undefined) throw new NotFoundError(`reference ${ref}: not found`);
    return ingest;
  }
}

/** Copies, because what is yielded belongs to the reader. */
async function* chunked(
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    yield bytes.slice(at, at + CHUNK_BYTES);
    signal?.throwIfAborted();
  }
}
