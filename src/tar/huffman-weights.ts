import { bitsAt, brokenBlock, lastBitOf, readFseTable } from "./fse-table.js";

const WHAT = "Huffman weights";
/** What the two low bits of a block's literals say when they bring a tree of their own. */
const WITH_TREE = 2;
const HEADER_BYTES = [3, 3, 4, 5];
const MOST_LOG = 6;
const MOST_WEIGHTS = 255;

/**
 * Looks whether the Huffman weights of a packed block come to an end, which a decoder may take for granted.
 *
 * @param block what is behind the header of the block.
 * @throws {DataLossError} when they do not, or there are too many
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-4.2.1
 */
export function checkHuffmanWeights(block: Uint8Array): void {
  const first = block[0] ?? 0;
  if ((first & 3) !== WITH_TREE) return;
  const begin = HEADER_BYTES[(first >> 2) & 3] ?? 0;
  const head = block[begin] ?? 0;
  // Weights that are not packed are as many as the head says.
  const length = head < 128 ? head : (head - 126) >> 1;
  const packed = block.subarray(begin + 1, begin + 1 + length);
  if (packed.length < length || length === 0) brokenBlock(WHAT);
  if (head < 128) checkPacked(packed);
}

/** Two states take turns, each giving a weight, until there are too few bits for the next. */
function checkPacked(packed: Uint8Array): void {
  const { table, length } = readFseTable(packed, MOST_LOG, WHAT);
  const bits = packed.subarray(length);
  let position = lastBitOf(bits, WHAT);
  const turns = [
    { base: 0, width: table.log },
    { base: 0, width: table.log },
  ];
  for (let weights = 0; ; weights++) {
    const { base, width } = turns[weights & 1] ?? brokenBlock(WHAT);
    position -= width;
    if (position < 0) {
      if (weights < turns.length) brokenBlock(WHAT);
      return;
    }
    if (weights === MOST_WEIGHTS) brokenBlock(WHAT);
    turns[weights & 1] = table.states[base + bitsAt(bits, position, width)] ?? brokenBlock(WHAT);
  }
}
