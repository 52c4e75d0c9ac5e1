import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Content,
  WriteAction,
  type WriteContentRequestSchema,
  type WriteContentResponse,
} from "../api/services/content/v1/content_pb.js";
import type { CallOptions } from "../call-options.js";
import { DataLossError, FailedPreconditionError, InternalError, isAlreadyExists } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";
import { type Digest, parseDigest } from "../oci/digest.js";
import type { Duplex } from "../rpc/duplex.js";
import type { Rpc } from "../rpc/rpc.js";
import type { Info, Manager, Writer } from "./store.js";

/** What is known about the bytes beforehand. */
export interface RemoteWriterOptions {
  readonly size?: number | undefined;
  readonly expected?: Digest | undefined;
}

// Large enough that a message's cost does not count, small enough for the 4 MiB some proxies allow.
const CHUNK_BYTES = 1024 * 1024;
const MOST_IN_FLIGHT = 4;

type WriteStream = Duplex<MessageInitShape<typeof WriteContentRequestSchema>, WriteContentResponse>;

/** Opens an ingest at the daemon, at the offset it was left at. */
export async function openRemoteWriter(
  rpc: Rpc,
  manager: Manager,
  ref: string,
  { size = 0, expected, ...call }: RemoteWriterOptions & CallOptions,
): Promise<Writer> {
  const opened: WriteStream = rpc.duplex(Content.method.write, call);
  try {
    const total = BigInt(size);
    const sent = opened.send({ action: WriteAction.STAT, ref, total, ...(expected === undefined ? {} : { expected }) });
    const answer = await opened.receive();
    await sent;
    if (answer === undefined) throw new InternalError(`The daemon closed ingest ${ref} without a word`);
    return new RemoteWriter(opened, manager, ref, Number(answer.offset), size, expected, call);
  } catch (reason) {
    opened.cancel();
    throw reason;
  }
}

/** Sends without waiting for each answer; every answer is looked at before the commit. */
class RemoteWriter implements Writer {
  readonly ref: string;
  readonly #stream: WriteStream;
  readonly #manager: Manager;
  readonly #size: number;
  readonly #expected: Digest | undefined;
  readonly #call: CallOptions;
  #offset: number;
  /** The offsets the daemon has yet to answer with, oldest first. */
  #awaited: number[] = [];
  #over = false;

  constructor(
    opened: WriteStream,
    manager: Manager,
    ref: string,
    offset: number,
    size: number,
    expected: Digest | undefined,
    call: CallOptions,
  ) {
    this.#stream = opened;
    this.#manager = manager;
    this.ref = ref;
    this.#offset = offset;
    this.#size = size;
    this.#expected = expected;
    this.#call = call;
  }

  get offset(): number {
    return this.#offset;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#open();
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
      while (this.#awaited.length >= MOST_IN_FLIGHT) await this.#answer();
      const data = chunk.subarray(at, at + CHUNK_BYTES);
      const sent = this.#stream.send({ action: WriteAction.WRITE, ref: this.ref, offset: BigInt(this.#offset), data });
      this.#offset += data.length;
      this.#awaited.push(this.#offset);
      await sent;
    }
  }

  async truncate(size: 0): Promise<void> {
    this.#open();
    while (this.#awaited.length > 0) await this.#answer();
    const sent = this.#stream.send({
      action: WriteAction.WRITE,
      ref: this.ref,
      offset: BigInt(size),
      data: new Uint8Array(),
    });
    this.#awaited.push(size);
    await sent;
    await this.#answer();
    this.#offset = size;
  }

  async commit(
    options: {
      readonly size?: number | undefined;
      readonly expected?: Digest | undefined;
      readonly labels?: Labels | undefined;
    } = {},
  ): Promise<Info> {
    this.#open();
    const size = options.size ?? (this.#size === 0 ? this.#offset : this.#size);
    const expected = options.expected ?? this.#expected;
    let digest: Digest;
    try {
      while (this.#awaited.length > 0) await this.#answer();
      const sent = this.#stream.send({
        action: WriteAction.COMMIT,
        ref: this.ref,
        total: BigInt(size),
        // Left out, it would mean 0, and the daemon would drop what was written.
        offset: BigInt(this.#offset),
        ...(expected === undefined ? {} : { expected }),
        labels: { ...options.labels },
      });
      const answer = await this.#stream.receive();
      await sent;
      if (answer === undefined) throw new InternalError(`The daemon closed ingest ${this.ref} without committing it`);
      digest = parseDigest(answer.digest);
    } catch (reason) {
      // The bytes were there already; the daemon put them under the lease all the same.
      if (!isAlreadyExists(reason) || expected === undefined) throw reason;
      return await this.#existing(expected, size, options.labels ?? {});
    } finally {
      this.#close();
    }
    if (expected !== undefined && digest !== expected) {
      throw new DataLossError(`Cannot write ${expected}: the daemon stored ${digest}`);
    }
    return this.#manager.info(digest, this.#call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  /** Labels given to a commit are dropped when the blob exists: they are set on it instead. */
  async #existing(digest: Digest, size: number, labels: Labels): Promise<Info> {
    const info = await this.#manager.info(digest, this.#call);
    if (info.size !== size)
      throw new DataLossError(`Cannot use ${digest}: the store has ${info.size} bytes, expected ${size}`);
    const missing = Object.entries(labels).filter(([key, value]) => info.labels[key] !== value);
    return missing.length === 0 ? info : this.#manager.update(digest, Object.fromEntries(missing), this.#call);
  }

  async #answer(): Promise<void> {
    const answer = await this.#stream.receive();
    const expected = this.#awaited.shift();
    if (answer === undefined) throw new InternalError(`The daemon closed ingest ${this.ref} before it was committed`);
    if (Number(answer.offset) !== expected) {
      throw new DataLossError(
        `Cannot write to ingest ${this.ref}: the daemon is at ${answer.offset}, expected ${expected}`,
      );
    }
  }

  #open(): void {
    if (this.#over) throw new FailedPreconditionError(`Ingest ${this.ref} is closed`);
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.end();
    this.#stream.cancel();
  }
}
