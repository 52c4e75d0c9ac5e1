import type { CallOptions } from "../call-options.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";

/** A part of a blob, in bytes. */
export interface Range {
  /** Where it starts. Default: 0. */
  readonly offset?: number | undefined;
  /** How long it is. Default: to the end. */
  readonly length?: number | undefined;
}

/** What a store knows about a blob. */
export interface Info {
  /** What the bytes hash to. */
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Labels; those that begin with `containerd.io/gc.` rule what is collected. */
  readonly labels: Labels;
  /** When it was committed. */
  readonly createdAt?: Date;
  /** When its labels last changed. */
  readonly updatedAt?: Date;
}

/** How far an ingest is. */
export interface Status {
  /** Its name. */
  readonly ref: string;
  /** Bytes written so far. */
  readonly offset: number;
  /** Bytes expected in all, when that was said. */
  readonly total?: number;
  /** The digest expected, when that was said. */
  readonly expected?: Digest;
  /** When the first byte came. */
  readonly startedAt: Date;
  /** When the last one came. */
  readonly updatedAt: Date;
}

/**
 * Gives bytes by digest. Whoever reads a whole blob of known size gets verified bytes or `DataLossError`: the provider checks.
 * A range cannot be checked, and is not.
 */
export interface Provider {
  /**
   * Yields a blob's bytes, or a range of them; leaving the loop ends the reading.
   *
   * @throws {NotFoundError} when the blob is not there
   * @throws {OutOfRangeError} when the offset lies beyond its end
   * @throws {DataLossError} when the bytes are not what digest and size say
   */
  read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options?: Range & CallOptions,
  ): AsyncIterable<Uint8Array>;
}

/** Takes bytes in. */
export interface Ingester {
  /**
   * Opens the ingest `ref` for writing, at the offset it was left at. A ref is a lock: one writer at a time.
   *
   * @throws {UnavailableError} when another writer has it open
   * @throws {AlreadyExistsError} when `expected` is in the store
   */
  writer(
    ref: string,
    options?: { readonly size?: number | undefined; readonly expected?: Digest | undefined } & CallOptions,
  ): Promise<Writer>;
  /**
   * Writes a small blob that is in memory at once, where that saves round trips. What an earlier writer left under `ref`
   * is dropped.
   *
   * @throws {AlreadyExistsError} when it is in the store
   * @throws {UnavailableError} when another writer has the ref open
   */
  put?(
    ref: string,
    bytes: Uint8Array,
    options: { readonly expected: Digest; readonly labels?: Labels | undefined } & CallOptions,
  ): Promise<void>;
}

/** One ingest open for writing. Disposing without a commit releases the lock and leaves the bytes, to be resumed or aborted. */
export interface Writer extends AsyncDisposable {
  /** The ingest's name. */
  readonly ref: string;
  /** Bytes written so far; more than 0 at first when an earlier writer left off. */
  readonly offset: number;
  /** Appends bytes. Resolves when more may be sent, which is before they are on disk. */
  write(chunk: Uint8Array): Promise<void>;
  /** Drops what was written beyond `size` bytes; only 0 is sure to work everywhere. */
  truncate(size: 0): Promise<void>;
  /**
   * Makes a blob of the ingest. When the same bytes are there already that is success, and `labels` are added to theirs.
   *
   * @throws {FailedPreconditionError} when size or digest is not as expected; the ingest stays
   */
  commit(options?: {
    readonly size?: number | undefined;
    readonly expected?: Digest | undefined;
    readonly labels?: Labels | undefined;
  }): Promise<Info>;
}

/** Looks after blobs. */
export interface Manager {
  /**
   * Says what is known about a blob.
   *
   * @throws {NotFoundError} when it is not there
   */
  info(digest: Digest, call?: CallOptions): Promise<Info>;
  /** Yields the blobs that match one of the filters, or all. */
  list(filters?: readonly string[], call?: CallOptions): AsyncIterable<Info>;
  /**
   * Sets labels; `null` deletes one, the others stay.
   *
   * @throws {NotFoundError} when the blob is not there
   */
  update(digest: Digest, labels: Readonly<Record<string, string | null>>, call?: CallOptions): Promise<Info>;
  /**
   * Deletes a blob.
   *
   * @throws {NotFoundError} when it is not there
   */
  delete(digest: Digest, call?: CallOptions): Promise<void>;
}

/** Looks after ingests. */
export interface IngestManager {
  /**
   * Says how far an ingest is.
   *
   * @throws {NotFoundError} when there is none of that name
   */
  status(ref: string, call?: CallOptions): Promise<Status>;
  /** Yields the ingests that match one of the filters, or all. */
  statuses(filters?: readonly string[], call?: CallOptions): AsyncIterable<Status>;
  /**
   * Drops an ingest and its bytes.
   *
   * @throws {NotFoundError} when there is none of that name
   */
  abort(ref: string, call?: CallOptions): Promise<void>;
}

/** All a content store can do. */
export interface Store extends Provider, Ingester, Manager, IngestManager {}
