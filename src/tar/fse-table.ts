import { DataLossError } from "../errors.js";

/** A state of a decoder: the symbol it stands for, and how many bits, added to what, make the next one. */
export interface FseState {
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

/** Up to 16 bits out of bytes, counted from the lowest of the first; what lies outside is 0. */
export function bitsAt(bytes: Uint8Array, position: number, width: number): number {
  const at = position >> 3;
  const three = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (three >> (position & 7)) & ((1 << width) - 1);
}

/** Bits that are taken from the last to the first: the last is under the highest one that is set in the last byte. */
export class BackwardBits {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #left: number;

  /** @throws {DataLossError} when the last byte is 0, or there is none */
  constructor(bytes: Uint8Array, what: string) {
    const last = bytes.at(-1) ?? 0;
    if (last === 0) brokenBlock(what);
    // Room behind them, so that three bytes can be read anywhere.
    this.#bytes = new Uint8Array(bytes.length + 2);
    this.#bytes.set(bytes);
    this.#what = what;
    this.#left = bytes.length * 8 - 1 - Math.clz32(last) + 24;
  }

  /** How many there are. */
  get left(): number {
    return this.#left;
  }

  /**
   * The next ones, of which 16 count at most.
   *
   * @throws {DataLossError} when there are too few
   */
  take(width: number): number {
    const position = this.#left - width;
    if (position < 0) brokenBlock(this.#what);
    this.#left = position;
    return width === 0 ? 0 : bitsAt(this.#bytes, position, width);
  }
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
  return { table: fseTable(shares, log), length: Math.ceil(position / 8) };
}

/** Lays the symbols out over the states, as often as they have shares; a share of -1 is one state, at the end. */
export function fseTable(shares: readonly number[], log: number): FseTable {
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
  const states = Array.from(symbols, (symbol) => {
    const number = next[symbol] ?? 0;
    next[symbol] = number + 1;
    const width = log - 31 + Math.clz32(number);
    return { symbol, width, base: number * 2 ** width - size };
  });
  return { log, states };
}
