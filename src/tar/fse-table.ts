import { DataLossError } from "../errors.js";

/** A state of a decoder: the symbol it stands for, and how many bits, added to what, make the next one. */
interface FseState {
  readonly symbol: number;
  readonly width: number;
  readonly base: number;
}

/** A table of finite state entropy. */
export interface FseTable {
  readonly log: number;
  readonly states: readonly FseState[];
}

const MOST_SYMBOLS = 256;

/** @throws {DataLossError} always: a block is broken */
export function brokenBlock(what: string): never {
  throw new DataLossError(`Cannot unpack zstd: the ${what} of a block are broken`);
}

/** Some bits out of bytes, counted from the lowest of the first; what lies outside is 0. */
export function bitsAt(bytes: Uint8Array, position: number, width: number): number {
  let value = 0;
  for (let at = 0; at < width; at++) {
    const bit = position + at;
    value += (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) * 2 ** at;
  }
  return value;
}

/** Where the bits of what is read backwards end: under the highest bit that is set in the last byte. */
export function lastBitOf(bytes: Uint8Array, what: string): number {
  const last = bytes.at(-1) ?? 0;
  return last === 0 ? brokenBlock(what) : bytes.length * 8 - 1 - Math.clz32(last) + 24;
}

/**
 * Reads the description of a table, and how many bytes it takes.
 *
 * @throws {DataLossError} when it is none, or of an accuracy that is not allowed
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-4.1.1
 */
export function readFseTable(
  bytes: Uint8Array,
  mostLog: number,
  what: string,
): { readonly table: FseTable; readonly length: number } {
  const log = bitsAt(bytes, 0, 4) + 5;
  if (log > mostLog) brokenBlock(what);
  const shares: number[] = [];
  let position = 4;
  for (let left = 2 ** log; left > 0; ) {
    const width = 32 - Math.clz32(left + 1);
    // So many values do without the highest bit.
    const short = 2 ** width - 2 - left;
    const low = bitsAt(bytes, position, width - 1);
    const whole = bitsAt(bytes, position, width);
    position += low < short ? width - 1 : width;
    const share = (low < short ? low : whole < 2 ** (width - 1) ? whole : whole - short) - 1;
    shares.push(share);
    left -= Math.abs(share);
    for (let more = share === 0 ? 3 : 0; more === 3; position += 2) {
      more = bitsAt(bytes, position, 2);
      for (let at = 0; at < more; at++) shares.push(0);
    }
    if (shares.length > MOST_SYMBOLS || position > bytes.length * 8) brokenBlock(what);
  }
  return { table: { log, states: statesOf(shares, log) }, length: Math.ceil(position / 8) };
}

/** Lays the symbols out over the states, as often as they have shares; a share of -1 is one state, at the end. */
function statesOf(shares: readonly number[], log: number): FseState[] {
  const size = 2 ** log;
  const symbols = new Uint8Array(size);
  let end = size;
  for (const [symbol, share] of shares.entries()) if (share === -1) symbols[--end] = symbol;
  let at = 0;
  for (const [symbol, share] of shares.entries()) {
    for (let count = 0; count < share; count++) {
      symbols[at] = symbol;
      do at = (at + (size >> 1) + (size >> 3) + 3) % size;
      while (at >= end);
    }
  }
  const next = shares.map(Math.abs);
  return Array.from(symbols, (symbol) => {
    const number = next[symbol] ?? 0;
    next[symbol] = number + 1;
    const width = log - 31 + Math.clz32(number);
    return { symbol, width, base: number * 2 ** width - size };
  });
}
