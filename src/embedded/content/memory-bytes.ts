import { CHUNK_BYTES } from "../../content/layout/files.js";
import { NotFoundError } from "../../errors.js";
import type { Digest } from "../../oci/digest.js";
import type { Bytes, IngestState, OpenIngest } from "./bytes.js";

/** Bytes in this process's memory. */
export class MemoryBytes implements Bytes {
  readonly #blobs = new Map<Digest, readonly Uint8Array[]>();
  readonly #ingests = new Map<string, MemoryIngest>();

  size(digest: Digest): number | undefined {
    const chunks = this.#blobs.get(digest);
    return chunks && lengthOf(chunks);
  }

  async *read(digest: Digest, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks = this.#blobs.get(digest);
    if (chunks === undefined) throw new NotFoundError(`content digest ${digest}: not found`);
    yield* part(chunks, from, to);
  }

  remove(digest: Digest): void {
    this.#blobs.delete(digest);
  }

  digests(): Iterable<Digest> {
    return [...this.#blobs.keys()];
  }

  ingest(id: string): IngestState | undefined {
    return this.#ingests.get(id);
  }

  async open(id: string): Promise<OpenIngest> {
    const ingest = this.#ingests.get(id) ?? new MemoryIngest();
    this.#ingests.set(id, ingest);
    return {
      get offset() {
        return ingest.offset;
      },
      read: () => part(ingest.chunks, 0, ingest.offset),
      append: async (chunk) => ingest.append(chunk),
      truncate: async () => ingest.truncate(),
      sync: async () => {},
      close: async () => {},
    };
  }

  promote(id: string, digest: Digest): void {
    const ingest = this.#ingests.get(id);
    if (ingest !== undefined && !this.#blobs.has(digest)) this.#blobs.set(digest, ingest.chunks);
    this.#ingests.delete(id);
  }

  drop(id: string): void {
    this.#ingests.delete(id);
  }

  ingests(): Iterable<string> {
    return [...this.#ingests.keys()];
  }
}

class MemoryIngest implements IngestState {
  chunks: Uint8Array[] = [];
  offset = 0;
  updatedAt: Date = new Date();

  append(chunk: Uint8Array): void {
    // Not chunk.slice(): that of a Buffer does not copy.
    this.chunks.push(new Uint8Array(chunk));
    this.offset += chunk.length;
    this.updatedAt = new Date();
  }

  truncate(): void {
    this.chunks = [];
    this.offset = 0;
    this.updatedAt = new Date();
  }
}

/** Copies, because what is yielded belongs to the reader. */
async function* part(
  chunks: readonly Uint8Array[],
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for (const chunk of chunks) {
    const end = Math.min(chunk.length, to - at);
    for (let begin = Math.max(0, from - at); begin < end; begin += CHUNK_BYTES) {
      yield new Uint8Array(chunk.subarray(begin, Math.min(begin + CHUNK_BYTES, end)));
    }
    at += chunk.length;
    if (at >= to) return;
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
