import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Content,
  WriteAction,
  type WriteContentRequestSchema,
  type WriteContentResponse,
} from "../api/services/content/v1/content_pb.js";
import type { CallOptions } from "../call-options.js";
import { DataLossError, InternalError } from "../errors.js";
import { type Digest, isDigest } from "../oci/digest.js";
import type { Duplex } from "../rpc/duplex.js";
import type { Rpc } from "../rpc/rpc.js";

type Request = Omit<MessageInitShape<typeof WriteContentRequestSchema>, "$typeName" | "ref">;

const CLOSE_MS = 10_000;

/** One Write call. Messages may go out ahead of their answers; every answer is looked at. */
export class RemoteWriteStream {
  readonly ref: string;
  /** What the daemon says the bytes hash to, as of its last answer. */
  digest: Digest | undefined;
  readonly #duplex: Duplex<MessageInitShape<typeof WriteContentRequestSchema>, WriteContentResponse>;
  readonly #signal: AbortSignal | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #lastAnswer: Promise<unknown> = Promise.resolve();

  constructor(rpc: Rpc, ref: string, call: CallOptions) {
    this.ref = ref;
    this.#signal = call.signal;
    this.#duplex = rpc.duplex(Content.method.write, call);
  }

  /** Sends a message and waits for its answer. */
  async ask(message: Request): Promise<WriteContentResponse> {
    const answer = this.#answer(undefined);
    await this.#send(message, answer);
    return answer;
  }

  /** Sends a message, says that it was the last, and waits for its answer. */
  async askLast(message: Request): Promise<WriteContentResponse> {
    const answer = this.#answer(undefined);
    const sent = this.#send(message, answer);
    // With the message, and not when its answer is here: that saves a way there and back.
    this.#duplex.end();
    await sent;
    return answer;
  }

  /** Sends a message, after which the ingest must be at `offset`; resolves when the daemon has said so. */
  tell(message: Request, offset: number): Promise<WriteContentResponse> {
    const answer = this.#answer(offset);
    // Whether it can be sent is seen by the answer, which does not come then.
    this.#send(message, answer).catch(() => {});
    return answer;
  }

  /** Fails as the call did, if it has, or will. */
  requireNoFailure(): void {
    this.#signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  /** Waits until everything told was answered. */
  async settled(): Promise<void> {
    await this.#lastAnswer;
  }

  /** Ends the call from this side and waits for the daemon to do so too, because only then it has given up its lock. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#duplex.cancel(), CLOSE_MS);
    try {
      this.#duplex.end();
      await this.#lastAnswer;
      while ((await this.#duplex.receive()) !== undefined);
    } catch {
      // The call is over either way. What went wrong in it is for the caller that wrote or committed.
    } finally {
      clearTimeout(timer);
      this.#duplex.cancel();
    }
  }

  /** Resets the call. */
  cancel(): void {
    this.#duplex.cancel();
  }

  async #send(message: Request, answer: Promise<unknown>): Promise<void> {
    const sent = this.#duplex.send({ ...message, ref: this.ref });
    // What is answered was taken; a transport inside this process may say so only when it wants the next message.
    // And when nothing more is taken, the answer knows better why.
    await Promise.race([sent.catch(() => answer), answer]);
  }

  /** Receives in the order of sending, and at once: an error must reach those who wait to send. */
  #answer(offset: number | undefined): Promise<WriteContentResponse> {
    const answer = this.#lastAnswer.then(() => this.#receive(offset));
    // Who sent the message may have gone; the next one to wait hears of it.
    answer.catch((reason: unknown) => {
      this.#failure ??= { reason };
    });
    this.#lastAnswer = answer;
    return answer;
  }

  async #receive(offset: number | undefined): Promise<WriteContentResponse> {
    const answer = await this.#duplex.receive();
    if (answer === undefined) throw new InternalError(`The daemon closed ingest ${this.ref} before it was committed`);
    if (offset !== undefined && answer.offset !== BigInt(offset)) {
      this.#duplex.cancel();
      throw new DataLossError(
        `Cannot write to ingest ${this.ref}: the daemon is at ${answer.offset}, not at ${offset}`,
      );
    }
    if (isDigest(answer.digest)) this.digest = answer.digest;
    return answer;
  }
}

/** The first message of a call on an ingest: asks where it is, and says what will come. */
export function statMessage(size: number | undefined, expected: Digest | undefined): Request {
  return { action: WriteAction.STAT, total: BigInt(size ?? 0), ...(expected === undefined ? {} : { expected }) };
}
