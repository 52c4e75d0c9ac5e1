import { BackwardBits, brokenBlock, type FseState, type FseTable, fseTable, readFseTable } from "./fse-table.js";
import { readLiterals } from "./literals.js";

const WHAT = "sequences";
const MOST_BLOCK_BYTES = 128 * 1024;
const MOST_OFFSET_CODE = 31;

/** The lengths that codes stand for: the least one, and how many bits say what to add. */
type Lengths = readonly { readonly least: number; readonly width: number }[];

const times = (count: number, value: number): number[] => new Array<number>(count).fill(value);
const LITERAL_LENGTHS = lengths(0, [
  ...times(16, 0),
  1,
  1,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  16,
]);
const MATCH_LENGTHS = lengths(3, [
  ...times(32, 0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]);

/** The tables of literal lengths, offsets and match lengths: what they are when a block brings none, and how large they may be. */
const KINDS = [
  {
    mostLog: 9,
    usual: fseTable([4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, ...times(5, 1), ...times(4, -1)], 6),
  },
  { mostLog: 8, usual: fseTable([...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)], 5) },
  { mostLog: 9, usual: fseTable([1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6) },
] as const;

/** Looks whether the packed blocks of a frame unpack to no more than a block may hold, which a decoder may take for granted. */
export class SequenceCheck {
  #before: readonly FseTable[] = [];

  /**
   * Looks at the next one.
   *
   * @param block what is behind the header of the block.
   * @throws {DataLossError} when it would be more, or its sequences end before they are all there
   * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.3.2
   */
  check(block: Buffer): void {
    const { size, end } = readLiterals(block);
    if (size > MOST_BLOCK_BYTES) brokenBlock(WHAT);
    const section = block.subarray(end);
    const { count, length } = countOf(section);
    if (count === 0) return;
    const modes = section[length] ?? brokenBlock(WHAT);
    let at = length + 1;
    const tables = KINDS.map(({ mostLog, usual }, index) => {
      const mode = (modes >> (6 - 2 * index)) & 3;
      if (mode === 0) return usual;
      if (mode === 1) return { log: 0, states: [{ symbol: section[at++] ?? brokenBlock(WHAT), width: 0, base: 0 }] };
      if (mode === 3) return this.#before[index] ?? brokenBlock(WHAT);
      const read = readFseTable(section.subarray(at), mostLog, WHAT);
      at += read.length;
      return read.table;
    });
    this.#before = tables;
    walk(new BackwardBits(section.subarray(at), WHAT), tables, count, size);
  }
}

/** Goes through sequences from the last bit to the first, and adds up what they make. */
function walk(bits: BackwardBits, tables: readonly FseTable[], count: number, size: number): void {
  const [literals, offsets, matches] = tables as readonly [FseTable, FseTable, FseTable];
  let literal = stateOf(literals, bits.take(literals.log));
  let offset = stateOf(offsets, bits.take(offsets.log));
  let match = stateOf(matches, bits.take(matches.log));
  let [taken, made] = [0, size];
  for (let left = count; ; left--) {
    if (offset.symbol > MOST_OFFSET_CODE) brokenBlock(WHAT);
    bits.take(offset.symbol);
    made += lengthOf(MATCH_LENGTHS, match, bits);
    taken += lengthOf(LITERAL_LENGTHS, literal, bits);
    if (taken > size || made > MOST_BLOCK_BYTES) brokenBlock(WHAT);
    if (left === 1) return;
    literal = stateOf(literals, literal.base + bits.take(literal.width));
    match = stateOf(matches, match.base + bits.take(match.width));
    offset = stateOf(offsets, offset.base + bits.take(offset.width));
  }
}

function stateOf({ states }: FseTable, number: number): FseState {
  return states[number] ?? brokenBlock(WHAT);
}

function lengthOf(all: Lengths, { symbol }: FseState, bits: BackwardBits): number {
  const { least, width } = all[symbol] ?? brokenBlock(WHAT);
  return least + bits.take(width);
}

function countOf(section: Uint8Array): { readonly count: number; readonly length: number } {
  const [first = brokenBlock(WHAT), second = 0, third = 0] = section;
  if (first < 128) return { count: first, length: 1 };
  if (first < 255) return { count: (first - 128) * 256 + second, length: 2 };
  return { count: second + third * 256 + 0x7f00, length: 3 };
}

function lengths(first: number, widths: readonly number[]): Lengths {
  let least = first;
  return widths.map((width) => {
    const length = { least, width };
    least += 2 ** width;
    return length;
  });
}
