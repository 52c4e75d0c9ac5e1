import { NotFoundError } from "../errors.js";
import type { Digest } from "../oci/digest.js";
import type { Info, Status } from "./store.js";

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
  readonly startedAt: Date = new Date();
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
    // Not chunk.slice(): that of a Buffer does not copy.
    this.#chunks.push(new Uint8Array(chunk));
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
