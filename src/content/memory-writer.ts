import { FailedPreconditionError, InvalidArgumentError, NotFoundError } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";
import { algorithmOf, type Digest, digestOf } from "../oci/digest.js";
import type { CommitOptions, Info, Status, Writer } from "./store.js";

const MOST_LABEL_BYTES = 4096;

/** What a store in memory holds. */
export interface MemoryRoom {
  readonly blobs: Map<Digest, { readonly bytes: Uint8Array; info: Info }>;
  readonly ingests: Map<string, MemoryIngest>;
}

/** An ingest in memory; it outlives its writers. */
export class MemoryIngest {
  readonly ref: string;
  readonly total: number | undefined;
  readonly expected: Digest | undefined;
  readonly startedAt = new Date();
  updatedAt: Date = this.startedAt;
  /** Since when a writer has it open. */
  lockedAt: Date | undefined;
  #chunks: Uint8Array[] = [];
  #offset = 0;
  #dropped = false;

  constructor(ref: string, total: number | undefined, expected: Digest | undefined) {
    this.ref = ref;
    this.total = total;
    this.expected = expected;
  }

  get offset(): number {
    return this.#offset;
  }

  append(chunk: Uint8Array): void {
    this.check();
    this.#chunks.push(chunk.slice());
    this.#offset += chunk.length;
    this.updatedAt = new Date();
  }

  truncate(): void {
    this.check();
    this.#chunks = [];
    this.#offset = 0;
    this.updatedAt = new Date();
  }

  bytes(): Uint8Array {
    this.check();
    const bytes = new Uint8Array(this.#offset);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  drop(): void {
    this.#dropped = true;
    this.#chunks = [];
  }

  check(): void {
    if (this.#dropped) throw new NotFoundError(`reference ${this.ref}: not found`);
  }
}

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

/** The labels after a change; one with no value is no label. */
export function applyLabels(labels: Labels, changes: Readonly<Record<string, string | null>>): Labels {
  for (const [name, value] of Object.entries(changes)) {
    const length = Buffer.byteLength(name) + Buffer.byteLength(value ?? "");
    if (length > MOST_LABEL_BYTES) {
      throw new InvalidArgumentError(
        `label key and value length (${length} bytes) greater than maximum size (${MOST_LABEL_BYTES} bytes), key: ${name.slice(0, 64)}`,
      );
    }
  }
  const all = Object.entries({ ...labels, ...changes });
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== ""));
}

/** How far an ingest is. */
export function statusOf({ ref, offset, total, expected, startedAt, updatedAt }: MemoryIngest): Status {
  return {
    ref,
    offset,
    ...(total === undefined ? {} : { total }),
    ...(expected === undefined ? {} : { expected }),
    startedAt,
    updatedAt,
  };
}
