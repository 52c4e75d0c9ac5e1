import { brokenBlock } from "./fse-table.js";

/** What a packed block begins with. */
export interface Literals {
  readonly kind: "raw" | "repeated" | "packed" | "treeless";
  /** How many bytes they are when they are unpacked. */
  readonly size: number;
  /** Where they begin in the block, and end. */
  readonly begin: number;
  readonly end: number;
}

const WHAT = "literals";
const KINDS = ["raw", "repeated", "packed", "treeless"] as const;
/** By what the first byte says: the bytes of the header, and the bits of each size in it. */
const FORMATS = {
  plain: [
    { begin: 1, shift: 3, width: 5 },
    { begin: 2, shift: 4, width: 12 },
    { begin: 1, shift: 3, width: 5 },
    { begin: 3, shift: 4, width: 20 },
  ],
  packed: [
    { begin: 3, shift: 4, width: 10 },
    { begin: 3, shift: 4, width: 10 },
    { begin: 4, shift: 4, width: 14 },
    { begin: 5, shift: 4, width: 18 },
  ],
};

/**
 * Reads where the literals of a packed block are.
 *
 * @throws {DataLossError} when they are not in it as a whole
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.3.1
 */
export function readLiterals(block: Buffer): Literals {
  const first = block[0] ?? brokenBlock(WHAT);
  const kind = KINDS[first & 3] ?? brokenBlock(WHAT);
  const isPacked = kind === "packed" || kind === "treeless";
  const format = FORMATS[isPacked ? "packed" : "plain"][(first >> 2) & 3] ?? brokenBlock(WHAT);
  const { begin, shift, width } = format;
  if (block.length < begin) brokenBlock(WHAT);
  const fields = Math.floor(block.readUIntLE(0, begin) / 2 ** shift);
  const size = fields % 2 ** width;
  const packedSize = isPacked ? Math.floor(fields / 2 ** width) : kind === "repeated" ? 1 : size;
  if (block.length < begin + packedSize) brokenBlock(WHAT);
  return { kind, size, begin, end: begin + packedSize };
}
