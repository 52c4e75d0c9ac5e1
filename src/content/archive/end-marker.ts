import { DataLossError } from "../../errors.js";
import { BLOCK } from "../../tar/blocks.js";

const END_BYTES = 2 * BLOCK;

/**
 * Passes a tar on, and fails where the two empty blocks at its end are missing: cut between two members it would otherwise look
 * whole.
 */
export async function* endMarked(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  let zeros = 0;
  for await (const chunk of tar) {
    size += chunk.length;
    zeros = zerosAfter(zeros, chunk);
    yield chunk;
  }
  if (zeros < END_BYTES || size % BLOCK !== 0) {
    throw new DataLossError(`Cannot read the archive: it is cut off after ${size} bytes`);
  }
}

/** How many zeros there are at the end, as far as that matters. */
function zerosAfter(before: number, chunk: Uint8Array): number {
  let zeros = 0;
  while (zeros < chunk.length && zeros < END_BYTES && chunk[chunk.length - 1 - zeros] === 0) zeros++;
  return zeros === chunk.length ? Math.min(before + zeros, END_BYTES) : zeros;
}
