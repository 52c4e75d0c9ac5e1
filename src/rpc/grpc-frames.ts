import { CallError, Status } from "./call-error.js";

// See https://github.com/grpc/grpc/blob/v1.75.0/doc/PROTOCOL-HTTP2.md
const PREFIX_BYTES = 5;
const NOTHING = new Uint8Array();
/** What is as small is handed on where it lies, if it came in one piece. */
const SMALL_BYTES = 1024;

/** The five bytes before a message. */
export function framePrefix(length: number): Buffer {
  return framed(NOTHING, length);
}

/** A message's first part with those five bytes before it, in memory of its own; `length` is that of the whole message. */
export function framed(part: Uint8Array, length: number): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + part.length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  frame.set(part, PREFIX_BYTES);
  return frame;
}

/** Puts the messages of one direction together again, each into memory of its own unless it is small, and copies every byte once. */
export class MessageReader {
  readonly #limit: number;
  #prefix: Buffer | undefined;
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
        const small = this.#smallIn(chunk, at);
        if (small !== undefined) {
          take(small);
          at += PREFIX_BYTES + small.length;
          continue;
        }
        this.#prefix ??= Buffer.allocUnsafe(PREFIX_BYTES);
        const wanted = chunk.subarray(at, at + PREFIX_BYTES - this.#prefixFilled);
        this.#prefix.set(wanted, this.#prefixFilled);
        this.#prefixFilled += wanted.length;
        at += wanted.length;
        if (this.#prefixFilled < PREFIX_BYTES) return;
        this.#begin(this.#lengthIn(this.#prefix, 0));
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

  /** A small message that lies whole in the chunk. */
  #smallIn(chunk: Uint8Array, at: number): Uint8Array | undefined {
    const from = at + PREFIX_BYTES;
    if (this.#prefixFilled > 0 || from > chunk.length) return undefined;
    const length = this.#lengthIn(chunk, at);
    return length <= SMALL_BYTES && from + length <= chunk.length ? chunk.subarray(from, from + length) : undefined;
  }

  #lengthIn(prefix: Uint8Array, at: number): number {
    if (prefix[at] !== 0) {
      throw new CallError(Status.internal, "protocol error: a compressed message that was not asked for");
    }
    let length = 0;
    for (let byte = at + 1; byte < at + PREFIX_BYTES; byte++) length = length * 256 + (prefix[byte] ?? 0);
    if (length <= this.#limit) return length;
    throw new CallError(Status.resource_exhausted, `message size ${length} is larger than ${this.#limit} bytes`);
  }

  #begin(length: number): void {
    // Not from Buffer's pool: parts of messages are handed on and may live long.
    this.#message = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
  }
}
