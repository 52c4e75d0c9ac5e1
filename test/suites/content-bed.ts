import assert from "node:assert/strict";
import type { CallOptions } from "../../src/call-options.js";
import { writeBlob } from "../../src/content/blob.js";
import type { Status, Store, Writer } from "../../src/content/store.js";
import { isContainerdError, isUnavailable } from "../../src/errors.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";

/** What the suite runs over. */
export interface ContentSubject {
  /** A store with nothing in it. */
  readonly store: Store;
  /** Passed to all calls that make something, so that it is kept. */
  readonly call: CallOptions;
  /** Another namespace over the same bytes; for `namespacesSuite`. */
  readonly other?: { readonly store: Store; readonly call: CallOptions };
  /** Where a blob's bytes are, when they are in a file; for `damageSuite`. */
  readonly fileOf?: (digest: Digest) => string;
  /** Puts everything away. */
  readonly end: () => Promise<void>;
}

/** A store for each case, and short ways to fill it. */
export class ContentBed {
  readonly #make: () => Promise<ContentSubject>;
  readonly #opened: Writer[] = [];
  #subject: ContentSubject | undefined;

  constructor(make: () => Promise<ContentSubject>) {
    this.#make = make;
  }

  get store(): Store {
    return this.#made().store;
  }

  get call(): CallOptions {
    return this.#made().call;
  }

  async begin(): Promise<void> {
    this.#subject = await this.#make();
  }

  async end(): Promise<void> {
    for (const writer of this.#opened.splice(0)) await writer[Symbol.asyncDispose]();
    await this.#made().end();
  }

  /** Opens an ingest, which is closed at the latest at the end of the case. */
  async open(ref: string, options: { size?: number; expected?: Digest } = {}): Promise<Writer> {
    const writer = await this.store.writer(ref, { ...this.call, ...options });
    this.#opened.push(writer);
    return writer;
  }

  async written(bytes: Uint8Array, labels: Record<string, string> = {}): Promise<Digest> {
    return (await writeBlob(this.store, bytes, { mediaType: "application/octet-stream", labels }, this.call)).digest;
  }

  #made(): ContentSubject {
    if (this.#subject === undefined) throw new Error("no case has begun");
    return this.#subject;
  }
}

/** What no store has. */
export const absent: Digest = digestOf(Buffer.from("nowhere"));

export function code(wanted: string): (error: unknown) => boolean {
  return (error) => isContainerdError(error) && error.code === wanted;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const item of items) got.push(item);
  return got;
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(chunks));
}

/** The status once the store has taken what was written; a write resolves before that. */
export async function settledAt(store: Store, ref: string, offset: number): Promise<Status> {
  for (;;) {
    const status = await store.status(ref);
    if (status.offset >= offset) {
      assert.equal(status.offset, offset);
      return status;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** After an abort the lock is given up when the daemon has heard of it. */
export async function unlocked(open: () => Promise<Writer>): Promise<Writer> {
  for (;;) {
    try {
      return await open();
    } catch (reason) {
      if (!isUnavailable(reason)) throw reason;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
