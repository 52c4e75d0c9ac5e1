import { DataLossError, ResourceExhaustedError } from "../../errors.js";
import { ByteReader } from "../../tar/byte-reader.js";
import type { DumpBudget } from "./budget.js";
import { Message } from "./message.js";

// An image begins with one number that says which kind it is; newer ones with one of these before it.
const COMMON_MAGIC = 0x54564319;
const SERVICE_MAGIC = 0x55105940;

/** The numbers with which the images begin that are read here. */
export const ImageMagic = {
  inventory: 0x58313116,
  pstree: 0x50273030,
  core: 0x55053847,
  ids: 0x54432030,
  fdinfo: 0x56213732,
  files: 0x56303138,
  regFiles: 0x50363636,
  pipes: 0x56513555,
  unixSockets: 0x54373943,
  memfdInodes: 0x48453499,
  fs: 0x51403912,
  mm: 0x57492820,
  pagemap: 0x56084025,
  mountPoints: 0x55563928,
  stats: 0x57093306,
} as const;

/**
 * Reads the records of an image of criu's, one after the other.
 *
 * @throws {DataLossError} when it is another kind of image, or broken
 * @throws {ResourceExhaustedError} when a record is larger than documents may be
 */
export async function* readImage(
  name: string,
  body: AsyncIterable<Uint8Array>,
  magic: number,
  budget: DumpBudget,
): AsyncGenerator<Message, void, undefined> {
  const { maxDocumentBytes } = budget.limits;
  const chunks = body[Symbol.asyncIterator]();
  const reader = new ByteReader(chunks, `Cannot read ${JSON.stringify(name)} of the dump`);
  try {
    const first = (await reader.take(4)).readUInt32LE(0);
    const kind = first === COMMON_MAGIC || first === SERVICE_MAGIC ? (await reader.take(4)).readUInt32LE(0) : first;
    if (kind !== magic) {
      throw new DataLossError(`Cannot read ${JSON.stringify(name)} of the dump: it is another kind of image`);
    }
    for (let head = await reader.takeOrEnd(4); head !== undefined; head = await reader.takeOrEnd(4)) {
      const size = head.readUInt32LE(0);
      if (size > maxDocumentBytes) {
        throw new ResourceExhaustedError(
          `Cannot read ${JSON.stringify(name)} of the dump: a record of ${size} bytes, at most ${maxDocumentBytes} are taken`,
        );
      }
      yield new Message(await reader.take(size), name, budget);
    }
  } finally {
    await chunks.return?.();
  }
}
