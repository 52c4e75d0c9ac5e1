import type { CallOptions } from "../../call-options.js";
import { putThroughWriter } from "../../content/blob.js";
import { parseFilters } from "../../content/filter-match.js";
import { applyLabels } from "../../content/labels.js";
import { checkRange } from "../../content/range.js";
import type { Info, PutOptions, Range, Status, Store, Writer, WriterOptions } from "../../content/store.js";
import { verified } from "../../content/verified.js";
import { NotFoundError, OutOfRangeError } from "../../errors.js";
import type { Descriptor, Labels } from "../../oci/descriptor.js";
import { type Digest, parseDigest } from "../../oci/digest.js";
import { labelLookup } from "../label-lookup.js";
import type { BlobRecord } from "../metadata/record-kinds.js";
import type { ContentRoom } from "./content-room.js";
import type { IngestSession } from "./ingest-session.js";
import { type OpenOptions, openIngest } from "./ingests.js";
import { SessionWriter } from "./session-writer.js";

/** The content of a namespace: its own records over the bytes of all. */
export class NamespaceContent implements Store {
  readonly #room: ContentRoom;

  constructor(room: ContentRoom) {
    this.#room = room;
  }

  async *read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options: Range & CallOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset = 0, length, signal } = options;
    checkRange({ offset, length });
    signal?.throwIfAborted();
    const { size } = this.#blob(target.digest);
    if (offset > size) throw new OutOfRangeError(`read past object length ${size} bytes: out of range`);
    if (length === 0) return;
    const chunks = this.#room.bytes.read(target.digest, offset, Math.min(size, offset + (length ?? size)));
    const whole = options.offset === undefined && length === undefined;
    for await (const chunk of whole ? verified(chunks, target) : chunks) {
      yield chunk;
      signal?.throwIfAborted();
    }
  }

  async writer(ref: string, options: WriterOptions = {}): Promise<Writer> {
    const { size, expected, signal, lease } = options;
    signal?.throwIfAborted();
    const session = await this.open(ref, { size, expected, lease: lease?.id });
    return new SessionWriter(session, {
      size,
      expected,
      signal,
      keep: ({ digest, existed }, labels) => (existed ? this.update(digest, labels) : this.info(digest)),
    });
  }

  /** Opens an ingest for a caller who must know what became of it. */
  open(ref: string, options: OpenOptions): Promise<IngestSession> {
    return openIngest(this.#room, ref, options);
  }

  has(digest: Digest): boolean {
    return this.#room.blobs.has(digest);
  }

  put(ref: string, bytes: Uint8Array, options: PutOptions): Promise<Info> {
    return putThroughWriter(this, ref, bytes, options);
  }

  async info(digest: Digest, call: CallOptions = {}): Promise<Info> {
    call.signal?.throwIfAborted();
    return infoOf(digest, this.#blob(digest));
  }

  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Info, void, undefined> {
    const matches = parseFilters(filters);
    for (const [digest, blob] of this.#room.blobs.entries()) {
      call.signal?.throwIfAborted();
      if (matches(labelLookup({ digest }, blob.labels))) yield infoOf(digest as Digest, blob);
    }
  }

  async update(digest: Digest, labels: Readonly<Record<string, string | null>>, call: CallOptions = {}): Promise<Info> {
    call.signal?.throwIfAborted();
    const { labels: before } = this.#blob(digest);
    if (Object.keys(labels).length === 0) return this.info(digest);
    return this.relabel(digest, applyLabels(before, labels));
  }

  /** Gives a blob these labels and no others. */
  relabel(digest: Digest, labels: Labels): Info {
    const blob = { ...this.#blob(digest), labels: applyLabels({}, labels), updatedAt: new Date() };
    this.#room.blobs.set(digest, blob);
    return infoOf(digest, blob);
  }

  async delete(digest: Digest, call: CallOptions = {}): Promise<void> {
    call.signal?.throwIfAborted();
    this.#blob(digest);
    // The bytes stay until the next collection: other namespaces may have them, and readers.
    this.#room.release(call.lease?.id, { type: "content", id: digest });
    this.#room.blobs.delete(digest);
    this.#room.deleted(digest);
  }

  async status(ref: string, call: CallOptions = {}): Promise<Status> {
    call.signal?.throwIfAborted();
    return this.#status(ref);
  }

  async *statuses(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Status, void, undefined> {
    const matches = parseFilters(filters);
    for (const [ref] of this.#room.ingests.entries()) {
      call.signal?.throwIfAborted();
      if (this.#room.ingests.has(ref) && matches(labelLookup({ ref }, {}))) yield this.#status(ref);
    }
  }

  async abort(ref: string, call: CallOptions = {}): Promise<void> {
    call.signal?.throwIfAborted();
    const { id } = this.#ingest(ref);
    this.#room.release(call.lease?.id, { type: "ingests", id: ref });
    this.#room.ingests.delete(ref);
    this.#room.bytes.drop(id);
  }

  #blob(digest: Digest): BlobRecord {
    const blob = this.#room.blobs.get(parseDigest(digest));
    if (blob === undefined) throw new NotFoundError(`content digest ${digest}: not found`);
    return blob;
  }

  #ingest(ref: string) {
    const ingest = this.#room.ingests.get(ref);
    if (ingest === undefined) throw new NotFoundError(`reference ${ref}: not found`);
    return ingest;
  }

  #status(ref: string): Status {
    const { id, total, expected, startedAt, shared } = this.#ingest(ref);
    const written = this.#room.bytes.ingest(id) ?? { offset: 0, updatedAt: startedAt };
    const offset = shared && expected !== undefined ? this.#room.bytes.size(expected) : undefined;
    return {
      ref,
      offset: offset ?? written.offset,
      ...(total === undefined ? {} : { total }),
      ...(expected === undefined ? {} : { expected }),
      startedAt,
      // A file's clock may lag behind ours by a few milliseconds.
      updatedAt: written.updatedAt < startedAt ? startedAt : written.updatedAt,
    };
  }
}

function infoOf(digest: Digest, { size, labels, createdAt, updatedAt }: BlobRecord): Info {
  return { digest, size, labels: { ...labels }, createdAt, updatedAt };
}
