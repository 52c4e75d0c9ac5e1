import type { CallOptions } from "../../call-options.js";
import {
  DataLossError,
  errorFor,
  isAlreadyExists,
  isContainerdError,
  isDataLoss,
  isFailedPrecondition,
  isNotFound,
} from "../../errors.js";
import { type Digest, digester } from "../../oci/digest.js";
import { verifyingDigester } from "../../oci/verify.js";
import { type Compression, compressionOf } from "../../tar/decompress.js";
import { BlobClaims } from "../blob-claims.js";
import { exists, orUndefined } from "../found.js";
import type { Store, Writer } from "../store.js";

/** How a clean-up call is made: the caller's signal plays no part. */
const CLEAN_UP: CallOptions = { timeoutMs: 10_000 };

/** A blob that came without a digest to its name. */
export interface Arrival {
  readonly digest: Digest;
  readonly size: number;
  /** How it is packed, as its first bytes say. */
  readonly compression: Compression;
}

/** Takes blobs from an archive into a store, and remembers what it made there. */
export class Incoming {
  /** Sizes of the blobs that came. */
  readonly sizes: Map<Digest, number> = new Map();
  readonly #store: Store;
  readonly #call: CallOptions;
  /** Begins the names of the ingests. */
  readonly #prefix: string;
  readonly #isResumed: boolean;
  readonly #claims: BlobClaims;
  readonly #claimed = new Set<Digest>();
  readonly #tell: (digest: Digest | undefined, bytes: number, size: number) => void;

  constructor(
    store: Store,
    call: CallOptions,
    options: {
      readonly prefix: string;
      readonly isResumed: boolean;
      readonly tell: (digest: Digest | undefined, bytes: number, size: number) => void;
    },
  ) {
    this.#store = store;
    this.#call = call;
    this.#prefix = options.prefix;
    this.#isResumed = options.isResumed;
    this.#tell = options.tell;
    this.#claims = BlobClaims.of(store);
  }

  /**
   * Takes a blob whose digest is known. The bytes are checked also where the store has them already.
   *
   * @throws {DataLossError} when they are not what digest and size say
   */
  async take(digest: Digest, size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    const check = verifyingDigester({ digest, size });
    let isDamaged = false;
    const checked = (look: () => void): void => {
      isDamaged = true;
      look();
      isDamaged = false;
    };
    const ref = `${this.#prefix}${digest}`;
    const pass = async (writer?: Writer): Promise<void> => {
      const resumedAt = writer?.offset ?? 0;
      for await (const chunk of body) {
        const at = check.size;
        checked(() => check.update(chunk));
        await writer?.write(chunk.subarray(Math.min(Math.max(resumedAt - at, 0), chunk.length)));
        this.#tell(digest, check.size, size);
      }
      checked(() => check.verify());
    };
    await this.#claim(digest);
    const writer = await this.#open(ref, digest, size);
    if (writer === undefined) await pass();
    else {
      const work = async (): Promise<void> => {
        if (writer.offset > size) await writer.truncate(0);
        await pass(writer);
        await this.#commit(writer, digest, size).catch((reason: unknown) => {
          isDamaged = isDataLoss(reason);
          throw reason;
        });
      };
      // What is damaged cannot be gone on with.
      await this.#ingest(ref, writer, work, () => this.#isResumed && !isDamaged);
    }
    this.sizes.set(digest, size);
  }

  /** Takes a blob whose digest shows when it is there. */
  async takeUnknown(name: string, size: number, body: AsyncIterable<Uint8Array>): Promise<Arrival> {
    const ref = `${this.#prefix}${name}`;
    const writer = await this.#store.writer(ref, { ...this.#call, size });
    const hash = digester();
    let taken = 0;
    let head = Buffer.alloc(0);
    await this.#ingest(ref, writer, async () => {
      if (writer.offset > 0) await writer.truncate(0);
      for await (const chunk of body) {
        if (head.length < 4) head = Buffer.concat([head, chunk.subarray(0, 4)]);
        hash.update(chunk);
        taken += chunk.length;
        await writer.write(chunk);
        this.#tell(undefined, taken, size);
      }
      if (taken !== size) throw new DataLossError(`Member ${name} is cut off: expected ${size} bytes, got ${taken}`);
      const digest = hash.digest();
      await this.#claim(digest);
      await this.#commit(writer, digest, size);
    });
    const digest = hash.digest();
    this.sizes.set(digest, size);
    return { digest, size, compression: compressionOf(head) };
  }

  /**
   * Deletes the blobs that were not there before, but for those that are wanted, and those another may have found meanwhile; a
   * lease does that by itself.
   */
  async discard(wanted: ReadonlySet<Digest> = new Set()): Promise<void> {
    const failures: unknown[] = [];
    for (const digest of this.#claimed) {
      if (wanted.has(digest)) continue;
      this.#claimed.delete(digest);
      const remove = () => orUndefined(this.#store.delete(digest, CLEAN_UP));
      // The others are not needed any more either way.
      await this.#claims.release(digest, remove).catch((reason: unknown) => failures.push(reason));
    }
    if (failures.length > 0) throw failures[0];
    await this.keep();
  }

  /** Leaves the blobs that came where they are. */
  async keep(): Promise<void> {
    for (const digest of this.#claimed) {
      this.#claimed.delete(digest);
      await this.#claims.keep(digest);
    }
  }

  /** Begins to need a blob, before it is looked for: what came for another import is not made by this one. */
  async #claim(digest: Digest): Promise<void> {
    if (this.#call.lease !== undefined || this.#claimed.has(digest)) return;
    await this.#claims.claim(digest);
    this.#claimed.add(digest);
  }

  async #commit(writer: Writer, digest: Digest, size: number): Promise<void> {
    const isNew = this.#call.lease === undefined && !(await this.#has(digest));
    await commit(writer, digest, size);
    if (isNew) this.#claims.make(digest);
  }

  async #open(ref: string, expected: Digest, size: number): Promise<Writer | undefined> {
    try {
      return await this.#store.writer(ref, { ...this.#call, size, expected });
    } catch (reason) {
      if (isAlreadyExists(reason)) return undefined;
      throw reason;
    }
  }

  async #ingest(
    ref: string,
    writer: Writer,
    work: () => Promise<void>,
    isKept: () => boolean = () => false,
  ): Promise<void> {
    try {
      await using open = writer;
      void open;
      await work();
    } catch (reason) {
      throw isKept() ? reason : await undone(reason, `ingest ${ref}`, () => this.#store.abort(ref, CLEAN_UP));
    }
  }

  /** Whether the store has a blob that did not come; then the lease holds it too. */
  async hold(digest: Digest): Promise<boolean> {
    await this.#claim(digest);
    if (!(await this.#has(digest))) return false;
    if (this.#call.lease === undefined) return true;
    const ref = `${this.#prefix}${digest}`;
    const writer = await this.#open(ref, digest, 0);
    if (writer === undefined) return true;
    // It went in between.
    await writer[Symbol.asyncDispose]();
    await this.#store.abort(ref, CLEAN_UP);
    return false;
  }

  #has(digest: Digest): Promise<boolean> {
    return exists(this.#store.info(digest, this.#call));
  }
}

/** What is committed was checked on its way; only what an earlier attempt left can be wrong still. */
async function commit(writer: Writer, digest: Digest, size: number): Promise<void> {
  try {
    await writer.commit({ expected: digest, size });
  } catch (reason) {
    if (!isFailedPrecondition(reason)) throw reason;
    throw new DataLossError(`Cannot write ${digest}: what an earlier attempt left of it is damaged`, {
      cause: reason,
      hint: "It is dropped now: try again.",
    });
  }
}

/** Undoes something after a failure, and says so in the failure's hint where that could not be done. */
export async function undone(failure: unknown, what: string, undo: () => Promise<void>): Promise<unknown> {
  try {
    await undo();
    return failure;
  } catch (reason) {
    if (isNotFound(reason) || !isContainerdError(failure)) return failure;
    const hint = [failure.hint, `Left behind: ${what} (${String(reason)}).`]
      .filter((part) => part !== undefined)
      .join(" ");
    return errorFor(failure.code, failure.message, { cause: failure, hint });
  }
}
