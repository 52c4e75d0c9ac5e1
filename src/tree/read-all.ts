import { closeSync, createReadStream, fstatSync, readFileSync } from "node:fs";

const FEW_BYTES = 1024 * 1024;

/** The bytes of an open file, which is closed at the end. Small files, which most are, are read at once: a stream costs more. */
export async function* readAll(fd: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (fstatSync(fd).size > FEW_BYTES) {
    yield* createReadStream("", { fd }) as AsyncIterable<Uint8Array>;
    return;
  }
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(fd);
  } finally {
    closeSync(fd);
  }
  if (bytes.length > 0) yield bytes;
}
