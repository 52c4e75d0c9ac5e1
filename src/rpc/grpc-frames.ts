import { CallError, Status } from "./call-error.js";

// See https://github.com/grpc/grpc/blob/v1.75.0/doc/PROTOCOL-HTTP2.md
const PREFIX_BYTES = 5;

/** The five bytes before a message. */
export function framePrefix(length: number): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix[0] = 0;
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** Puts the messages of one direction together again, each into memory of its own, and copies every byte once. */
export class MessageReader {
  readonly #limit: number;
  readonly #prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  #prefixFilled = 0;
  #message: Buffer | undefined;
  #filled = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether the bytes so far end between two messages. */
  get isWhole(): boolean {
    return this.#prefixFilled === 0 && this.#message === undefined;
  }

  /**
   * Takes the bytes that came and hands over each message that is whole now.
   *
   * @throws {CallError} when a message is announced that is larger than the limit, before memory is set aside for it
   */
  read(chunk: Uint8Array, take: (message: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#message === undefined) {
        const wanted = chunk.subarray(at, at + PREFIX_BYTES - this.#prefixFilled);
        this.#prefix.set(wanted, this.#prefixFilled);
        this.#prefixFilled += wanted.length;
        at += wanted.length;
        if (this.#prefixFilled < PREFIX_BYTES) return;
        this.#begin();
      }
      const message = this.#message;
      if (message === undefined) return;
      const room = message.length - this.#filled;
      // Mostly all of it: no need for another view then.
      const part = at === 0 && chunk.length <= room ? chunk : chunk.subarray(at, at + room);
      message.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < message.length) return;
      this.#message = undefined;
      this.#prefixFilled = 0;
      take(message);
    }
  }

  #begin(): void {
    if (this.#prefix[0] !== 0) {
      throw new CallError(Status.internal, "protocol error: a compressed message that was not asked for");
    }
    const length = this.#prefix.readUInt32BE(1);
    if (length > this.#limit) {
      throw new CallError(Status.resource_exhausted, `message size ${length} is larger than ${this.#limit} bytes`);
    }
    // Not from Buffer's pool: parts of messages are handed on and may live long.
    this.#message = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
  }
}
