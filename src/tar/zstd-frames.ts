import { DataLossError } from "../errors.js";

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const SIZE_BYTES = [0, 2, 4, 8];
const RLE_BLOCK = 1;

/**
 * Parts what is packed with zstd into its frames, for a decompressor that forgets what follows the first one. Each frame must
 * be read to its end before the next is asked for.
 *
 * @throws {DataLossError} when it ends inside a frame, or something else follows one
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1
 */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<AsyncIterable<Uint8Array>, void, undefined> {
  const reader = new Reader(source);
  try {
    while (!(await reader.isAtEnd())) {
      const magic = await reader.exactly(4);
      const number = magic.readUInt32LE();
      if (number === FRAME) yield frame(reader, magic);
      else if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) {
        const length = (await reader.exactly(4)).readUInt32LE();
        for await (const _ of reader.next(length));
      } else throw new DataLossError("Cannot unpack zstd: something else follows a frame");
    }
  } finally {
    await reader.close();
  }
}

async function* frame(reader: Reader, magic: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  const descriptor = await reader.exactly(1);
  const flags = descriptor.readUInt8();
  const isSingle = (flags & 0x20) !== 0;
  const sizeFlag = flags >> 6;
  const sizeBytes = sizeFlag === 0 && isSingle ? 1 : (SIZE_BYTES[sizeFlag] ?? 0);
  const headerBytes = (isSingle ? 0 : 1) + (DICTIONARY_BYTES[flags & 3] ?? 0) + sizeBytes;
  yield Buffer.concat([magic, descriptor, await reader.exactly(headerBytes)]);
  for (let isLast = false; !isLast; ) {
    const header = await reader.exactly(3);
    const block = header.readUIntLE(0, 3);
    isLast = (block & 1) !== 0;
    yield header;
    yield* reader.next(((block >> 1) & 3) === RLE_BLOCK ? 1 : block >> 3);
  }
  const hasChecksum = (flags & 4) !== 0;
  if (hasChecksum) yield reader.exactly(4);
}

/** Takes as many bytes as are wanted from chunks of any size. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#held.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return true;
      this.#held = next.value;
    }
    return false;
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.next(length)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *next(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = length; left > 0; ) {
      if (await this.isAtEnd()) throw new DataLossError("Cannot unpack zstd: it ends inside a frame");
      const part = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
