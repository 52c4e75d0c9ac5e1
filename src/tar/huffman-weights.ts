import { BackwardBits, brokenBlock, readFseTable } from "./fse-table.js";
import { readLiterals } from "./literals.js";

const WHAT = "Huffman weights";
const MOST_LOG = 6;
const MOST_WEIGHTS = 255;

/**
 * Looks whether the Huffman weights of a packed block come to an end, which a decoder may take for granted.
 *
 * @param block what is behind the header of the block.
 * @throws {DataLossError} when they do not, or there are too many
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-4.2.1
 */
export function checkHuffmanWeights(block: Buffer): void {
  const { kind, begin, end } = readLiterals(block);
  if (kind !== "packed") return;
  const literals = block.subarray(begin, end);
  const head = literals[0] ?? 0;
  // Weights that are not packed are as many as the head says.
  const length = head < 128 ? head : (head - 126) >> 1;
  const packed = literals.subarray(1, 1 + length);
  if (packed.length < length || length === 0) brokenBlock(WHAT);
  if (head < 128) checkPacked(packed);
}

/** Two states take turns, each giving a weight, until there are too few bits for the next. */
function checkPacked(packed: Uint8Array): void {
  const { table, length } = readFseTable(packed, MOST_LOG, WHAT);
  const bits = new BackwardBits(packed.subarray(length), WHAT);
  const first = () => table.states[bits.take(table.log)] ?? brokenBlock(WHAT);
  const turns = [first(), first()];
  for (let weights = turns.length; ; weights++) {
    const { base, width } = turns[weights & 1] ?? brokenBlock(WHAT);
    if (width > bits.left) return;
    if (weights === MOST_WEIGHTS) brokenBlock(WHAT);
    turns[weights & 1] = table.states[base + bits.take(width)] ?? brokenBlock(WHAT);
  }
}
