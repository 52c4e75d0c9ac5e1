import { DataLossError, ResourceExhaustedError } from "../errors.js";
import { ByteReader } from "./byte-reader.js";
import { zstdFrame } from "./zstd-frame.js";

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const MOST_WINDOW_BYTES = 128 * 1024 * 1024;
const MOST_BLOCK_BYTES = 128 * 1024;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/**
 * Unpacks zstd: all frames, one after the other, and nothing of those that are to be skipped. It comes block by block, so that
 * memory does not grow with what a few bytes may stand for.
 *
 * @throws {DataLossError} when it is broken or cut short
 * @throws {ResourceExhaustedError} when unpacking takes a window larger than 128 MiB
 * @see https://www.rfc-editor.org/rfc/rfc8878
 */
export async function* unpackZstd(packed: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(packed, "Cannot unpack zstd");
  // Node 22 and 24 drop what stands behind the first frame of a write (nodejs/node#64741): each frame has a decoder of its own.
  for (let magic = await reader.takeOrEnd(4); magic !== undefined; magic = await reader.takeOrEnd(4)) {
    const value = magic.readUInt32LE(0);
    if (value >>> 4 === SKIPPABLE_MAGIC >>> 4) await reader.skip((await reader.take(4)).readUInt32LE(0));
    else if (value === FRAME_MAGIC) yield* unpackFrame(reader, magic);
    else throw new DataLossError("Cannot unpack zstd: there is something else behind a frame");
  }
}

async function* unpackFrame(reader: ByteReader, magic: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  const { bytes, hasChecksum } = await frameHeader(reader, magic);
  const frame = zstdFrame(hasChecksum);
  try {
    yield* await frame.push(bytes);
    for (let isLast = false; !isLast; ) {
      const header = await reader.take(3);
      const fields = header.readUIntLE(0, 3);
      isLast = (fields & 1) === 1;
      const kind = (fields >>> 1) & 3;
      const size = fields >>> 3;
      if (size > MOST_BLOCK_BYTES || kind === 3) throw new DataLossError("Cannot unpack zstd: a block is broken");
      const block = Buffer.concat([header, await reader.take(kind === 1 ? 1 : size)]);
      yield* await (kind === 2 ? frame.pushPacked(block) : frame.push(block));
    }
    if (hasChecksum) yield* await frame.push(await reader.take(4));
    yield* await frame.end();
  } finally {
    frame.discard();
  }
}

async function frameHeader(
  reader: ByteReader,
  magic: Buffer,
): Promise<{ readonly bytes: Buffer; readonly hasChecksum: boolean }> {
  const descriptor = await reader.take(1);
  const flags = descriptor.readUInt8(0);
  const isSingle = (flags & 0x20) !== 0;
  const sizeBytes = flags >>> 6 === 0 && isSingle ? 1 : (CONTENT_SIZE_BYTES[flags >>> 6] ?? 0);
  const dictionaryBytes = DICTIONARY_BYTES[flags & 3] ?? 0;
  const rest = await reader.take((isSingle ? 0 : 1) + dictionaryBytes + sizeBytes);
  if ((flags & 8) !== 0) throw new DataLossError("Cannot unpack zstd: a frame is of a kind that is not known");
  if (rest.subarray(isSingle ? 0 : 1, rest.length - sizeBytes).some((byte) => byte !== 0)) {
    throw new DataLossError("Cannot unpack zstd: it takes a dictionary");
  }
  const window = isSingle ? contentSize(rest.subarray(rest.length - sizeBytes)) : windowSize(rest.readUInt8(0));
  if (window > MOST_WINDOW_BYTES) {
    throw new ResourceExhaustedError(
      `Cannot unpack zstd: its window is ${window} bytes, at most ${MOST_WINDOW_BYTES} are taken`,
    );
  }
  return { bytes: Buffer.concat([magic, descriptor, rest]), hasChecksum: (flags & 4) !== 0 };
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function contentSize(field: Buffer): number {
  if (field.length === 8) return Number(field.readBigUInt64LE(0));
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}
