import type { Digest } from "../../oci/digest.js";

/** Where the bytes of all namespaces are: blobs by digest, ingests by an id. Who may see which is not known here. */
export interface Bytes {
  /** How many bytes a blob has; undefined when it is not there. */
  size(digest: Digest): number | undefined;
  /** Yields bytes from `from` up to `to`; they belong to who gets them. */
  read(digest: Digest, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined>;
  /** Removes a blob; who reads it already may read on. */
  remove(digest: Digest): void;
  digests(): Iterable<Digest>;
  /** How far an ingest is; undefined when there are no bytes of it. */
  ingest(id: string): IngestState | undefined;
  /** Opens an ingest to append to it, and makes it when it is not there. */
  open(id: string): Promise<OpenIngest>;
  /** Makes a blob of an ingest that is synced and closed, or drops it where there is such a blob. */
  promote(id: string, digest: Digest): void;
  drop(id: string): void;
  ingests(): Iterable<string>;
}

/** How far an ingest is. */
export interface IngestState {
  readonly offset: number;
  readonly updatedAt: Date;
}

/** An ingest open for writing, by one writer at a time, who waits for each call to end. */
export interface OpenIngest {
  readonly offset: number;
  /** The bytes so far. */
  read(): AsyncIterable<Uint8Array>;
  append(chunk: Uint8Array): Promise<void>;
  truncate(): Promise<void>;
  /** Makes what was written outlast a crash. */
  sync(): Promise<void>;
  close(): Promise<void>;
}
