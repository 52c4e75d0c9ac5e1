import { WriteAction } from "../api/services/content/v1/content_pb.js";
import { DataLossError, FailedPreconditionError, InternalError, isAlreadyExists } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";
import { type Digest, parseDigest } from "../oci/digest.js";
import { RemoteBuffers } from "./remote-buffers.js";
import type { RemoteWriteStream } from "./remote-stream.js";
import type { CommitOptions, Info, Writer } from "./store.js";

/** What a writer needs to know to begin. */
export interface RemoteWriterStart {
  /** The call, with the ingest open. */
  readonly stream: RemoteWriteStream;
  /** Where the daemon said the ingest is. */
  readonly offset: number;
  readonly size: number | undefined;
  readonly expected: Digest | undefined;
  /** Makes a blob that is there already what a commit would have made. */
  readonly keep: (digest: Digest, size: number, labels: Labels) => Promise<Info>;
}

/** An ingest at the daemon. */
export class RemoteWriter implements Writer {
  readonly #start: RemoteWriterStart;
  readonly #buffers: RemoteBuffers;
  #closed = false;
  /** Calls take effect one after the other, whether or not the caller waits. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(start: RemoteWriterStart) {
    this.#start = start;
    this.#buffers = new RemoteBuffers(start.stream, start.offset, start.size);
  }

  get ref(): string {
    return this.#start.stream.ref;
  }

  get offset(): number {
    return this.#buffers.offset;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#next(() => this.#buffers.append(chunk));
  }

  /** There is no other size to cut to. */
  truncate(_size: 0): Promise<void> {
    return this.#next(() => this.#buffers.truncate());
  }

  commit(options: CommitOptions = {}): Promise<Info> {
    return this.#next(async () => {
      this.#closed = true;
      try {
        return await this.#commit(options);
      } finally {
        await this.#start.stream.close();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#buffers.send();
    await this.#start.stream.close();
  }

  async #commit(options: CommitOptions): Promise<Info> {
    const { stream, keep } = this.#start;
    const { offset } = this.#buffers;
    const { size = this.#start.size ?? offset, expected = this.#start.expected, labels = {} } = options;
    this.#buffers.send();
    await stream.settled();
    if (size === 0 && offset > 0) {
      // On the wire 0 means that the size is not known.
      throw new FailedPreconditionError(`Cannot commit ingest ${this.ref}: it has ${offset} bytes, expected 0`);
    }
    try {
      const answer = await stream.askLast({
        action: WriteAction.COMMIT,
        total: BigInt(size),
        // Left out, it would mean 0, and the daemon would drop what was written.
        offset: BigInt(offset),
        ...(expected === undefined ? {} : { expected }),
        labels: { ...labels },
      });
      return committed(answer, { expected, size: offset, labels });
    } catch (reason) {
      const digest = expected ?? stream.digest;
      if (!isAlreadyExists(reason) || digest === undefined) throw reason;
      // Who named no digest has it under the lease, and whose bytes it is made of is known.
      const plain = expected === undefined && Object.keys(labels).length === 0;
      return plain ? { digest, size: offset, labels } : keep(digest, offset, labels);
    }
  }

  async #next<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (this.#closed) throw new FailedPreconditionError(`Ingest ${this.ref} is closed`);
      return act();
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

/** What was made, as the daemon's answer to a commit says; the answer comes twice, and the second one says nothing new. */
export function committed(
  answer: { readonly digest: string; readonly offset: bigint },
  wanted: { readonly expected: Digest | undefined; readonly size: number; readonly labels: Labels },
): Info {
  if (answer.digest === "") throw new InternalError("The daemon committed an ingest without saying what it is");
  const digest = parseDigest(answer.digest);
  if (wanted.expected !== undefined && digest !== wanted.expected) {
    throw new DataLossError(`Cannot write ${wanted.expected}: the daemon stored ${digest}`);
  }
  if (answer.offset !== BigInt(wanted.size)) {
    throw new DataLossError(`Cannot write ${digest}: the daemon stored ${answer.offset} bytes of ${wanted.size}`);
  }
  const labels = Object.fromEntries(Object.entries(wanted.labels).filter(([, value]) => value !== ""));
  return { digest, size: wanted.size, labels };
}
