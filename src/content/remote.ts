import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  Content,
  type Info as InfoMessage,
  type Status as StatusMessage,
  WriteAction,
} from "../api/services/content/v1/content_pb.js";
import type { CallOptions } from "../call-options.js";
import { DataLossError, InternalError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { type Digest, parseDigest } from "../oci/digest.js";
import type { Rpc } from "../rpc/rpc.js";
import { openRemoteWriter, type RemoteWriterOptions } from "./remote-writer.js";
import type { Info, Range, Status, Store, Writer } from "./store.js";
import { verified } from "./verified.js";

/** The content store of a daemon. */
export class RemoteStore implements Store {
  readonly #rpc: Rpc;

  /** Works in the namespace of `rpc`. */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** @inheritDoc */
  async *read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    options: Range & CallOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset, length, ...call } = options;
    if (length === 0) return;
    const whole = offset === undefined && length === undefined;
    const bytes = this.#bytes(target.digest, offset ?? 0, length, call);
    yield* whole ? verified(bytes, target) : bytes;
  }

  async *#bytes(
    digest: Digest,
    offset: number,
    length: number | undefined,
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
  async writer(ref: string, options: RemoteWriterOptions & CallOptions = {}): Promise<Writer> {
    return openRemoteWriter(this.#rpc, this, ref, options);
  }

  /** @inheritDoc */
  async put(
    ref: string,
    bytes: Uint8Array,
    options: { readonly expected: Digest; readonly labels?: Labels | undefined } & CallOptions,
  ): Promise<void> {
    const { expected, labels, ...call } = options;
    const stream = this.#rpc.duplex(Content.method.write, call);
    try {
      const sent = stream.send({
        action: WriteAction.COMMIT,
        ref,
        total: BigInt(bytes.length),
        expected,
        offset: 0n,
        data: bytes,
        labels: { ...labels },
      });
      const answer = await stream.receive();
      await sent;
      if (answer?.digest !== expected) {
        throw new DataLossError(`Cannot write ${expected}: the daemon stored ${answer?.digest ?? "nothing"}`);
      }
    } finally {
      stream.end();
      stream.cancel();
    }
  }

  /** @inheritDoc */
  async info(digest: Digest, call: CallOptions = {}): Promise<Info> {
    const { info } = await this.#rpc.unary(Content.method.info, { digest }, call);
    return infoOf(info);
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
    return infoOf(info);
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
}

function infoOf(message: InfoMessage | undefined): Info {
  if (message === undefined) throw new InternalError("The daemon answered without the blob's info");
  return {
    digest: parseDigest(message.digest),
    size: safe(message.size),
    labels: Object.fromEntries(Object.entries(message.labels)),
    ...(message.createdAt === undefined ? {} : { createdAt: timestampDate(message.createdAt) }),
    ...(message.updatedAt === undefined ? {} : { updatedAt: timestampDate(message.updatedAt) }),
  };
}

function statusOf(message: StatusMessage): Status {
  return {
    ref: message.ref,
    offset: safe(message.offset),
    ...(message.total === 0n ? {} : { total: safe(message.total) }),
    ...(message.expected === "" ? {} : { expected: parseDigest(message.expected) }),
    startedAt: instant(message.startedAt),
    updatedAt: instant(message.updatedAt),
  };
}

function instant(timestamp: Timestamp | undefined): Date {
  return timestamp === undefined ? new Date(0) : timestampDate(timestamp);
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new DataLossError(`The daemon named a size of ${value} bytes`);
  return number;
}
