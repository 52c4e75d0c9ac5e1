import {
  Content,
  type Info as InfoMessage,
  type Status as StatusMessage,
  WriteAction,
} from "../api/services/content/v1/content_pb.js";
import { Leases } from "../api/services/leases/v1/leases_pb.js";
import type { CallOptions } from "../call-options.js";
import { timeLeft } from "../call-timeout.js";
import { DataLossError, InternalError, isAlreadyExists } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { type Digest, digestOf, parseDigest } from "../oci/digest.js";
import { dateOf, recordedAt } from "../rpc/instant.js";
import type { Rpc } from "../rpc/rpc.js";
import { keepExisting } from "./existing.js";
import { checkRange } from "./range.js";
import type { LocalContent } from "./remote-file.js";
import { RemoteWriteStream, statMessage } from "./remote-stream.js";
import { committed, RemoteWriter } from "./remote-writer.js";
import type { Info, PutOptions, Range, Status, Store, Writer, WriterOptions } from "./store.js";
import { verified } from "./verified.js";

// One message stays well below the 4 MiB that some proxies allow.
const MOST_AT_ONCE = 2 * 1024 * 1024;
const LOCAL_FROM_BYTES = 256 * 1024;

interface WireRange {
  readonly offset: number;
  readonly length: number | undefined;
}

/** The content store of a daemon. */
export class RemoteStore implements Store {
  readonly #rpc: Rpc;
  readonly #local: LocalContent | undefined;

  /** Works in the namespace of `rpc`, and reads large blobs from the daemon's files where these are said to be. */
  constructor(rpc: Rpc, local?: LocalContent) {
    this.#rpc = rpc;
    this.#local = local;
  }

  /** @inheritDoc */
  async *read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options: Range & CallOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset, length, ...call } = options;
    checkRange({ offset, length });
    if (length === 0) return;
    const whole = offset === undefined && length === undefined;
    const range = { offset: offset ?? 0, length };
    const left = timeLeft(call);
    const bytes = (await this.#fileBytes(target, range, left)) ?? this.#bytes(target.digest, range, left());
    yield* whole ? verified(bytes, target) : bytes;
  }

  /** From the daemon's own file, once the daemon has said that the namespace has the blob; `undefined` where that cannot be. */
  async #fileBytes(
    { digest, size: known = Number.POSITIVE_INFINITY }: { readonly digest: Digest; readonly size?: number },
    { offset, length = Number.POSITIVE_INFINITY }: WireRange,
    left: () => CallOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    if (this.#local === undefined) return undefined;
    const { fromBytes = LOCAL_FROM_BYTES } = this.#local;
    if (Math.min(known - offset, length) < fromBytes) return undefined;
    left().signal?.throwIfAborted();
    const { blobFileChunks, findRoot, openBlobFile } = await import("./remote-file.js");
    const root = await findRoot(this.#local, left());
    if (root === undefined) return undefined;
    const { size } = await this.info(digest, left());
    const file = offset > size ? undefined : await openBlobFile(root, digest, size);
    if (file === undefined) return undefined;
    return blobFileChunks(file, digest, { from: offset, to: Math.min(offset + length, size) }, left());
  }

  async *#bytes(
    digest: Digest,
    { offset, length }: WireRange,
    call: CallOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const request = { digest, offset: BigInt(offset), size: BigInt(length ?? 0) };
    let got = 0;
    for await (const { data } of this.#rpc.serverStream(Content.method.read, request, call)) {
      got += data.length;
      if (length !== undefined && got > length) {
        throw new DataLossError(`Cannot read ${digest}: asked for ${length} bytes, got more`);
      }
      if (data.length > 0) yield data;
    }
  }

  /** @inheritDoc */
  async writer(ref: string, options: WriterOptions = {}): Promise<Writer> {
    const { size, expected, ...call } = options;
    const stream = new RemoteWriteStream(this.#rpc, ref, call);
    try {
      const answer = await stream.ask(statMessage(size, expected));
      const keep = (digest: Digest, bytes: number, labels: Labels) => this.#keep(digest, bytes, labels, call);
      return new RemoteWriter({ stream, offset: safe(answer.offset), size, expected, keep });
    } catch (reason) {
      stream.cancel();
      throw reason;
    }
  }

  /** @inheritDoc */
  async put(ref: string, bytes: Uint8Array, options: PutOptions): Promise<Info> {
    if (bytes.length > MOST_AT_ONCE) {
      const { putThroughWriter } = await import("./blob.js");
      return putThroughWriter(this, ref, bytes, options);
    }
    const { expected, labels = {}, ...call } = options;
    const size = bytes.length;
    // A blob that is there already is put under the lease only when the daemon learns by itself which it is.
    const leased = call.lease !== undefined && Object.keys(labels).length === 0;
    const plain = leased && digestOf(bytes) === expected;
    const stream = new RemoteWriteStream(this.#rpc, ref, call);
    try {
      const total = BigInt(size);
      const answer = await stream.askLast({
        action: WriteAction.COMMIT,
        total,
        ...(plain ? {} : { expected }),
        offset: 0n,
        data: bytes,
        labels: { ...labels },
      });
      return committed(answer, { expected, size, labels });
    } catch (reason) {
      if (!isAlreadyExists(reason)) throw reason;
      return plain ? { digest: expected, size, labels } : await this.#keep(expected, size, labels, call);
    } finally {
      await stream.close();
    }
  }

  /** @inheritDoc */
  async info(digest: Digest, call: CallOptions = {}): Promise<Info> {
    const { info } = await this.#rpc.unary(Content.method.info, { digest }, call);
    return infoAbout(digest, info);
  }

  /** @inheritDoc */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Info, void, undefined> {
    for await (const { info } of this.#rpc.serverStream(Content.method.list, { filters: [...filters] }, call)) {
      for (const one of info) yield infoOf(one);
    }
  }

  /** @inheritDoc */
  async update(digest: Digest, labels: Readonly<Record<string, string | null>>, call: CallOptions = {}): Promise<Info> {
    const set = Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, value ?? ""]));
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    if (paths.length === 0) return this.info(digest, call);
    const request = { info: { digest, labels: set }, updateMask: { paths } };
    const { info } = await this.#rpc.unary(Content.method.update, request, call);
    return infoAbout(digest, info);
  }

  /** @inheritDoc */
  async delete(digest: Digest, call: CallOptions = {}): Promise<void> {
    await this.#rpc.unary(Content.method.delete, { digest }, call);
  }

  /** @inheritDoc */
  async status(ref: string, call: CallOptions = {}): Promise<Status> {
    const { status } = await this.#rpc.unary(Content.method.status, { ref }, call);
    if (status === undefined) throw new InternalError(`The daemon answered without the status of ${ref}`);
    return statusOf(status);
  }

  /** @inheritDoc */
  async *statuses(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Status, void, undefined> {
    const { statuses } = await this.#rpc.unary(Content.method.listStatuses, { filters: [...filters] }, call);
    for (const status of statuses) yield statusOf(status);
  }

  /** @inheritDoc */
  async abort(ref: string, call: CallOptions = {}): Promise<void> {
    await this.#rpc.unary(Content.method.abort, { ref }, call);
  }

  async #keep(digest: Digest, size: number, labels: Labels, call: CallOptions): Promise<Info> {
    if (call.lease !== undefined) {
      // A commit that names a digest which is there already never reaches the code that puts it under the lease.
      const resource = { id: digest, type: "content" };
      await this.#rpc.unary(Leases.method.addResource, { id: call.lease.id, resource }, call);
    }
    return keepExisting(this, { digest, size }, labels, call);
  }
}

function infoAbout(digest: Digest, message: InfoMessage | undefined): Info {
  const info = infoOf(message);
  if (info.digest === digest) return info;
  throw new DataLossError(`Asked about ${digest}, the daemon answered about ${info.digest}`);
}

function infoOf(message: InfoMessage | undefined): Info {
  if (message === undefined) throw new InternalError("The daemon answered without the blob's info");
  const [createdAt, updatedAt] = [dateOf(message.createdAt), dateOf(message.updatedAt)];
  return {
    digest: parseDigest(message.digest),
    size: safe(message.size),
    labels: Object.fromEntries(Object.entries(message.labels)),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(updatedAt === undefined ? {} : { updatedAt }),
  };
}

function statusOf(message: StatusMessage): Status {
  return {
    ref: message.ref,
    offset: safe(message.offset),
    ...(message.total === 0n ? {} : { total: safe(message.total) }),
    ...(message.expected === "" ? {} : { expected: parseDigest(message.expected) }),
    startedAt: recordedAt(message.startedAt),
    updatedAt: recordedAt(message.updatedAt),
  };
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new DataLossError(`The daemon named a size of ${value} bytes`);
  return number;
}
