import { DataLossError, ResourceExhaustedError } from "../../errors.js";
import type { DumpBudget } from "./budget.js";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const MOST_VARINT_BYTES = 10;
// The kernel has no longer path.
const MOST_TEXT_BYTES = 4096;

interface Field {
  readonly number: number;
  readonly value: number | bigint | Uint8Array;
}

/**
 * A protobuf message of criu's. Fields are looked up by their numbers each time: nothing of a message is kept that nobody asked
 * for, however many fields it has.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class Message {
  readonly #bytes: Buffer;
  readonly #name: string;
  readonly #budget: DumpBudget;

  /** Takes the encoded message; `name` is the image's, for errors. Texts that are asked for come from the budget. */
  constructor(bytes: Uint8Array, name: string, budget: DumpBudget) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
    this.#budget = budget;
  }

  /** Whether a field is there. */
  has(field: number): boolean {
    return this.#last(field) !== undefined;
  }

  /** A number, 0 when absent. */
  number(field: number): number {
    const value = this.#last(field) ?? 0;
    if (typeof value !== "number") throw this.#broken(`field ${field} is no number of up to 53 bits`);
    return value;
  }

  /** A number of up to 64 bits, 0 when absent. */
  bigint(field: number): bigint {
    const value = this.#last(field) ?? 0;
    if (typeof value === "object") throw this.#broken(`field ${field} is no number`);
    return BigInt(value);
  }

  /** Bytes, none when absent. */
  bytes(field: number): Uint8Array {
    const value = this.#last(field) ?? new Uint8Array();
    if (typeof value !== "object") throw this.#broken(`field ${field} is a number`);
    return value;
  }

  /** A text, empty when absent. What is not UTF-8 shows as U+FFFD. */
  text(field: number): string {
    const bytes = this.bytes(field);
    if (bytes.length > MOST_TEXT_BYTES) {
      throw new ResourceExhaustedError(
        `Cannot read ${JSON.stringify(this.#name)} of the dump: a text of ${bytes.length} bytes, at most ${MOST_TEXT_BYTES} are taken`,
      );
    }
    this.#budget.takeText(bytes.length);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }

  /** A message within, empty when absent. */
  message(field: number): Message {
    return new Message(this.bytes(field), this.#name, this.#budget);
  }

  /** The messages of a repeated field. */
  *messages(field: number): Generator<Message, void, undefined> {
    for (const { number, value } of this.#fields()) {
      if (number !== field) continue;
      if (typeof value !== "object") throw this.#broken(`field ${field} is a number`);
      yield new Message(value, this.#name, this.#budget);
    }
  }

  /** The numbers of a repeated field, packed or not; it has no more than `most`. */
  numbers(field: number, most: number): readonly number[] {
    const numbers: number[] = [];
    for (const number of this.#numbers(field)) {
      if (numbers.length === most) throw this.#broken(`field ${field} has more than ${most} numbers`);
      numbers.push(number);
    }
    return numbers;
  }

  *#numbers(field: number): Generator<number, void, undefined> {
    for (const { number, value } of this.#fields()) {
      if (number !== field) continue;
      if (typeof value === "object") yield* this.#packed(value);
      else yield Number(value);
    }
  }

  *#packed(bytes: Uint8Array): Generator<number, void, undefined> {
    const list = new Message(bytes, this.#name, this.#budget);
    for (let at = 0; at < bytes.length; ) {
      const { value, end } = list.#varint(at);
      at = end;
      yield Number(value);
    }
  }

  /** What stands last counts, as in every reader of protobuf. */
  #last(field: number): Field["value"] | undefined {
    let found: Field["value"] | undefined;
    for (const { number, value } of this.#fields()) if (number === field) found = value;
    return found;
  }

  *#fields(): Generator<Field, void, undefined> {
    const bytes = this.#bytes;
    for (let at = 0; at < bytes.length; ) {
      const tag = this.#varint(at);
      const number = Math.floor(Number(tag.value) / 8);
      const kind = Number(BigInt.asUintN(3, BigInt(tag.value)));
      if (number < 1) throw this.#broken("a field has no number");
      if (kind === VARINT) {
        const { value, end } = this.#varint(tag.end);
        at = end;
        yield { number, value };
        continue;
      }
      const start = kind === BYTES ? this.#varint(tag.end) : { value: fixedBytes(kind), end: tag.end };
      const length = Number(start.value);
      at = start.end + length;
      if (length < 0) throw this.#broken(`field ${number} is of an unknown kind`);
      if (at > bytes.length) throw this.#broken(`field ${number} goes on after the end`);
      const content = bytes.subarray(start.end, at);
      if (kind === BYTES) yield { number, value: content };
      else yield { number, value: kind === FIXED32 ? content.readUInt32LE(0) : safe(content.readBigUInt64LE(0)) };
    }
  }

  #varint(start: number): { readonly value: number | bigint; readonly end: number } {
    let small = 0;
    for (let length = 0; length < MOST_VARINT_BYTES; length += 1) {
      const byte = this.#bytes[start + length];
      if (byte === undefined) break;
      small += (byte & 0x7f) * 2 ** (7 * length);
      if (byte >= 0x80) continue;
      const end = start + length + 1;
      return { value: small <= Number.MAX_SAFE_INTEGER ? small : this.#largeVarint(start, end), end };
    }
    throw this.#broken("a number is broken");
  }

  #largeVarint(start: number, end: number): bigint {
    const digits = [...this.#bytes.subarray(start, end)].reverse();
    return BigInt.asUintN(
      64,
      digits.reduce((total, byte) => (total << 7n) | BigInt(byte & 0x7f), 0n),
    );
  }

  #broken(why: string): DataLossError {
    return new DataLossError(`Cannot read ${JSON.stringify(this.#name)} of the dump: ${why}`);
  }
}

function fixedBytes(kind: number): number {
  if (kind === FIXED64) return 8;
  return kind === FIXED32 ? 4 : -1;
}

function safe(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
