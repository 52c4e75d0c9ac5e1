import { FailedPreconditionError } from "../errors.js";
import { algorithmOf, type Digest, digestOf } from "../oci/digest.js";
import { applyLabels } from "./labels.js";
import type { MemoryIngest, MemoryRoom } from "./memory-ingest.js";
import type { CommitOptions, Info, Writer } from "./store.js";

/** Writes to an ingest in memory. */
export class MemoryWriter implements Writer {
  readonly ref: string;
  readonly #room: MemoryRoom;
  readonly #ingest: MemoryIngest;
  readonly #size: number | undefined;
  readonly #expected: Digest | undefined;
  readonly #signal: AbortSignal | undefined;
  #closed = false;
  readonly #close = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#ingest.lockedAt = undefined;
    this.#signal?.removeEventListener("abort", this.#close);
  };

  constructor(
    room: MemoryRoom,
    ingest: MemoryIngest,
    options: {
      readonly size: number | undefined;
      readonly expected: Digest | undefined;
      readonly signal: AbortSignal | undefined;
    },
  ) {
    this.ref = ingest.ref;
    this.#room = room;
    this.#ingest = ingest;
    this.#size = options.size;
    this.#expected = options.expected;
    this.#signal = options.signal;
    ingest.lockedAt = new Date();
    this.#signal?.addEventListener("abort", this.#close, { once: true });
  }

  get offset(): number {
    return this.#ingest.offset;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#open();
    if (chunk.length > 0) this.#ingest.append(chunk);
  }

  async truncate(_size: 0): Promise<void> {
    this.#open();
    this.#ingest.truncate();
  }

  async commit(options: CommitOptions = {}): Promise<Info> {
    this.#open();
    try {
      return this.#commit(options);
    } finally {
      this.#close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  #commit({ size = this.#size, expected = this.#expected, labels = {} }: CommitOptions): Info {
    const bytes = this.#ingest.bytes();
    if (size !== undefined && size !== bytes.length) {
      throw new FailedPreconditionError(`"${this.ref}" failed size validation: ${bytes.length} != ${size}`);
    }
    const digest = digestOf(bytes, expected === undefined ? "sha256" : algorithmOf(expected));
    if (expected !== undefined && digest !== expected) {
      throw new FailedPreconditionError(`unexpected commit digest ${digest}, expected ${expected}`);
    }
    const blob = this.#room.blobs.get(digest);
    const now = new Date();
    const kept = applyLabels(blob?.info.labels ?? {}, labels);
    const info = { digest, size: bytes.length, labels: kept, createdAt: blob?.info.createdAt ?? now, updatedAt: now };
    this.#room.blobs.set(digest, { bytes: blob?.bytes ?? bytes, info });
    this.#room.ingests.delete(this.ref);
    return { ...info };
  }

  #open(): void {
    this.#signal?.throwIfAborted();
    if (this.#closed) throw new FailedPreconditionError(`Ingest ${this.ref} is closed`);
    this.#ingest.check();
  }
}
