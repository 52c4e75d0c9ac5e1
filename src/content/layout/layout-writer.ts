import type { FileHandle } from "node:fs/promises";
import { AbortedError, FailedPreconditionError, NotFoundError } from "../../errors.js";
import { algorithmOf, type Digest, type DigestAlgorithm, type Digester, digester } from "../../oci/digest.js";
import type { CommitOptions, Info, Writer } from "../store.js";
import type { BlobFiles } from "./blob-files.js";
import type { CallLimit } from "./call-limit.js";
import type { Claim } from "./claims.js";
import { during } from "./file-errors.js";
import { chunksOf, writeAt } from "./files.js";
import type { IngestFiles } from "./ingest-files.js";
import type { Visits } from "./visits.js";

/** What a writer needs to know to begin. */
export interface LayoutWriterStart {
  readonly ref: string;
  readonly ingests: IngestFiles;
  readonly blobs: BlobFiles;
  readonly visits: Visits;
  /** The lock of the ref. */
  readonly claim: Claim;
  readonly handle: FileHandle;
  /** Who may use the blob. */
  readonly mode: number;
  readonly size: number | undefined;
  readonly expected: Digest | undefined;
  readonly signal: AbortSignal | undefined;
  readonly limit: CallLimit;
}

/** An ingest of a layout, open for writing. */
export class LayoutWriter implements Writer {
  readonly #start: LayoutWriterStart;
  readonly #algorithm: DigestAlgorithm;
  #hash: Digester;
  #offset = 0;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  /** Calls take effect one after the other, whether or not the caller waits. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #onAbort = (): void => {
    // Who aborted need not wait for this; who opens the ref next does.
    this[Symbol.asyncDispose]().catch(() => {});
  };

  private constructor(start: LayoutWriterStart) {
    this.#start = start;
    this.#algorithm = start.expected === undefined ? "sha256" : algorithmOf(start.expected);
    this.#hash = digester(this.#algorithm);
  }

  /** Begins where the last writer left off; the bytes that are there are read once. */
  static async begin(start: LayoutWriterStart): Promise<LayoutWriter> {
    const writer = new LayoutWriter(start);
    const { size } = await start.handle.stat();
    writer.#hash = await writer.#hashed(writer.#algorithm, size);
    writer.#offset = size;
    start.signal?.addEventListener("abort", writer.#onAbort, { once: true });
    return writer;
  }

  get ref(): string {
    return this.#start.ref;
  }

  get offset(): number {
    return this.#offset;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#next("write to", async () => {
      try {
        await writeAt(this.#start.handle, chunk, this.#offset);
      } catch (reason) {
        // A part may have been written, on what may be a full disk.
        await this.#start.handle.truncate(this.#offset);
        throw reason;
      }
      this.#hash.update(chunk);
      this.#offset += chunk.length;
    });
  }

  truncate(_size: 0): Promise<void> {
    return this.#next("truncate", async () => {
      await this.#start.handle.truncate(0);
      this.#hash = digester(this.#algorithm);
      this.#offset = 0;
    });
  }

  commit(options: CommitOptions = {}): Promise<Info> {
    return this.#next("commit", async () => {
      this.#isClosed = true;
      try {
        return await this.#commit(options);
      } finally {
        await this.#close();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await this.#close();
  }

  async #commit({
    size = this.#start.size,
    expected = this.#start.expected,
    labels = {},
  }: CommitOptions): Promise<Info> {
    const { handle, claim, blobs, ingests, visits, mode, limit } = this.#start;
    if (size !== undefined && size !== this.#offset) {
      throw new FailedPreconditionError(`"${this.ref}" failed size validation: ${this.#offset} != ${size}`);
    }
    const algorithm = expected === undefined ? this.#algorithm : algorithmOf(expected);
    const hash = algorithm === this.#algorithm ? this.#hash : await this.#hashed(algorithm, this.#offset);
    const digest = hash.digest();
    if (expected !== undefined && digest !== expected) {
      throw new FailedPreconditionError(`unexpected commit digest ${digest}, expected ${expected}`);
    }
    await claim.check();
    if ((await handle.stat()).nlink === 0) throw new NotFoundError(`reference ${this.ref}: not found`);
    const close = async () => {
      const now = new Date();
      await handle.chmod(mode);
      await handle.utimes(now, now);
      await handle.sync();
      await handle.close();
      // What lies under the ref's name is another writer's when the lock went meanwhile.
      await claim.check();
    };
    const info = await blobs.adopt(ingests.bytes(this.ref), close, { digest, size: this.#offset, labels }, limit);
    await ingests.forget(this.ref);
    if ((await visits.meet()) && (await blobs.stat(digest)) === undefined) {
      throw new AbortedError(`Cannot write ${digest}: an import that failed removed it`, { hint: "Write it again." });
    }
    return info;
  }

  async #hashed(algorithm: DigestAlgorithm, size: number): Promise<Digester> {
    const hash = digester(algorithm);
    for await (const chunk of chunksOf(this.#start.handle, 0, size)) {
      this.#start.limit();
      hash.update(chunk);
    }
    return hash;
  }

  /** Gives up file and lock; the bytes stay. */
  #close(): Promise<void> {
    this.#closing ??= during(`close ingest ${this.ref}`, async () => {
      const { handle, claim, ingests, signal } = this.#start;
      signal?.removeEventListener("abort", this.#onAbort);
      try {
        await ingests.close(handle);
      } finally {
        await claim[Symbol.asyncDispose]();
      }
    });
    return this.#closing;
  }

  async #next<T>(what: string, act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      this.#start.limit();
      if (this.#isClosed) throw new FailedPreconditionError(`Ingest ${this.ref} is closed`);
      return during(`${what} ingest ${this.ref}`, act);
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
