import { WriteAction } from "../api/services/content/v1/content_pb.js";
import { keepSteady } from "../rpc/encode.js";
import type { RemoteWriteStream } from "./remote-stream.js";

// Large enough that a message's cost does not count, small enough for the 4 MiB some proxies allow.
const MESSAGE_BYTES = 2 * 1024 * 1024;
/** One is filled while the others are on their way. */
const MOST_BUFFERS = 4;

/**
 * Bytes on their way to an ingest. They are copied into a few buffers, so that whoever wrote them need not wait for the daemon, and small
 * writes share a message. A buffer is filled again when the daemon has answered; while it has answered all, nothing is held back.
 */
export class RemoteBuffers {
  readonly #stream: RemoteWriteStream;
  /** What the ingest will hold, when that is known. */
  readonly #size: number;
  #sentTo: number;
  readonly #free: Uint8Array[] = [];
  readonly #unanswered = new Set<Promise<unknown>>();
  #made = 0;
  #filling: Uint8Array | undefined;
  #filled = 0;

  constructor(stream: RemoteWriteStream, offset: number, size: number | undefined) {
    this.#stream = stream;
    this.#sentTo = offset;
    this.#size = size ?? Number.POSITIVE_INFINITY;
  }

  /** Where the next byte goes. */
  get offset(): number {
    return this.#sentTo + this.#filled;
  }

  /** Takes bytes; resolves when they may be overwritten. */
  async append(chunk: Uint8Array): Promise<void> {
    this.#stream.requireNoFailure();
    for (let at = 0; at < chunk.length; ) {
      this.#filling ??= await this.#buffer();
      const part = chunk.subarray(at, at + this.#filling.length - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#filling.length) this.send();
    }
    if (this.#unanswered.size === 0) this.send();
  }

  /** Forgets what was not sent, and all the ingest holds. */
  async truncate(): Promise<void> {
    this.#filled = 0;
    // The daemon takes a write at 0 for the wish to start again.
    await this.#stream.tell({ action: WriteAction.WRITE, offset: 0n }, 0);
    this.#sentTo = 0;
  }

  /** Sends what was taken. */
  send(): void {
    const buffer = this.#filling;
    if (buffer === undefined || this.#filled === 0) return;
    const offset = BigInt(this.#sentTo);
    const data = buffer.subarray(0, this.#filled);
    this.#sentTo += this.#filled;
    this.#filled = 0;
    this.#filling = undefined;
    const answer = this.#stream.tell({ action: WriteAction.WRITE, offset, data }, this.#sentTo);
    this.#unanswered.add(answer);
    const answered = (): void => {
      this.#unanswered.delete(answer);
      this.#free.push(buffer);
      if (this.#unanswered.size === 0) this.send();
    };
    // Who waits for it is told why; nothing more is sent then.
    answer.then(answered, () => {});
  }

  async #buffer(): Promise<Uint8Array> {
    for (;;) {
      const free = this.#free.pop();
      if (free !== undefined) return free;
      if (this.#made < MOST_BUFFERS) {
        this.#made++;
        const left = this.#size - this.#sentTo;
        return keepSteady(Buffer.allocUnsafeSlow(left > 0 ? Math.min(MESSAGE_BYTES, left) : MESSAGE_BYTES));
      }
      await this.#unanswered.values().next().value;
    }
  }
}
