import type { CallOptions } from "../call-options.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";

// What implementers get wrong, and test/suites/content-suite.ts proves:
//
//  - A ref is a lock. While a writer has it open, nobody else opens it (`UnavailableError`); it is free again when
//    `commit()` or the disposal resolves, not at some time later.
//  - An ingest outlives its writer. Who opens the ref again goes on at `offset`, which may be the end: bytes of another
//    namespace are shared that way. `startedAt` and `updatedAt` stay as they were.
//  - `write` appends at `offset`, in the order of the calls, awaited or not, and has taken the bytes when it resolves.
//  - The store verifies what comes in: `commit` compares size and digest. When one is wrong the ingest stays, so that a
//    resumed writer may truncate and try again. The reader's side verifies what goes out, whole blobs only.
//  - That the bytes are there already is a success of `commit` and `put`, but only after the labels are on the old blob and the
//    call's lease holds it: a daemon drops the labels, and on one of its paths the lease.
//  - A label without a value is no label.

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
   * Yields a blob's bytes, or a range of them; leaving the loop ends the reading. A range that reaches beyond the end ends there.
   * Of a blob of known size no more than that is yielded.
   *
   * @throws {InvalidArgumentError} when the range is not of whole numbers from 0
   * @throws {NotFoundError} when the blob is not there
   * @throws {OutOfRangeError} when the offset lies beyond its end
   * @throws {DataLossError} when the bytes are not what digest and size say
   */
  read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options?: Range & CallOptions,
  ): AsyncIterable<Uint8Array>;
}

/** What is known about an ingest's bytes when it is opened. */
export interface WriterOptions extends CallOptions {
  /** Bytes there will be. */
  readonly size?: number | undefined;
  /** What they will hash to. */
  readonly expected?: Digest | undefined;
}

/** What a blob is to be when it is made of an ingest. */
export interface CommitOptions {
  /** Bytes it must have. Default: the writer's size; else whatever was written. */
  readonly size?: number | undefined;
  /** What the bytes must hash to. Default: the writer's digest; else whatever they do. */
  readonly expected?: Digest | undefined;
  /** Labels of the blob, added to those it has when it is there already. */
  readonly labels?: Labels | undefined;
}

/** How a blob in memory is written at once. */
export interface PutOptions extends CallOptions {
  /** What the bytes hash to. */
  readonly expected: Digest;
  /** Labels of the blob, added to those it has when it is there already. */
  readonly labels?: Labels | undefined;
}

/** Takes bytes in. */
export interface Ingester {
  /**
   * Opens the ingest `ref` for writing, at the offset it was left at. A ref is a lock: one writer at a time. Signal and deadline
   * of `options` are those of all that is done with the writer.
   *
   * @throws {UnavailableError} when another writer has it open
   * @throws {AlreadyExistsError} when `expected` is in the store; the lease of the call holds it now
   * @throws {InvalidArgumentError} when `ref` is empty
   */
  writer(ref: string, options?: WriterOptions): Promise<Writer>;
  /**
   * Writes a small blob that is in memory at once, where that saves round trips. What an earlier writer left under `ref`
   * is dropped. That it is there already is success.
   *
   * @throws {UnavailableError} when another writer has the ref open
   * @throws {FailedPreconditionError} when the bytes do not hash to `expected`; the ingest stays
   */
  put?(ref: string, bytes: Uint8Array, options: PutOptions): Promise<Info>;
}

/**
 * One ingest open for writing. Disposing it without a commit closes it and leaves the bytes, to be resumed by the next writer of the
 * ref or dropped by `abort`; the garbage collector drops them when no lease holds the ingest.
 */
export interface Writer extends AsyncDisposable {
  /** The ingest's name. */
  readonly ref: string;
  /** Where the next byte goes; more than 0 at first when an earlier writer left off. */
  readonly offset: number;
  /**
   * Appends bytes. Resolves when they are taken and may be overwritten by the caller, which is before they are on disk: a
   * failure may show only in a later call, at the latest in `commit`.
   *
   * @throws {FailedPreconditionError} when the writer is closed
   * @throws {DataLossError} when the store lost its place
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Drops everything written so far. Stores need not be able to cut anywhere else, so the only size is 0. */
  truncate(size: 0): Promise<void>;
  /**
   * Makes a blob of the ingest, and closes the writer whatever comes of it. When the same bytes are there already that is success.
   * The result may lack the times.
   *
   * @throws {FailedPreconditionError} when size or digest is not as expected; the ingest stays
   * @throws {DataLossError} when the blob that is there already has another size
   */
  commit(options?: CommitOptions): Promise<Info>;
}

/** Looks after blobs. */
export interface Manager {
  /**
   * Says what is known about a blob.
   *
   * @throws {NotFoundError} when it is not there
   */
  info(digest: Digest, call?: CallOptions): Promise<Info>;
  /**
   * Yields the blobs that match one of the filters, or all, in no order to rely on. Fields are `digest` and `labels`.
   *
   * @throws {InvalidArgumentError} when a filter cannot be parsed
   */
  list(filters?: readonly string[], call?: CallOptions): AsyncIterable<Info>;
  /**
   * Sets labels; `null` deletes one, the others stay.
   *
   * @throws {InvalidArgumentError} when a label's name and value are longer than 4096 bytes together
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
  /**
   * Yields the ingests that match one of the filters, or all, in no order to rely on. The one field is `ref`.
   *
   * @throws {InvalidArgumentError} when a filter cannot be parsed
   */
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
