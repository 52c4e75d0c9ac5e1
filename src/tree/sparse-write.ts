import { ftruncateSync, writeSync } from "node:fs";

const HOLE = 4096;
const ZEROS = Buffer.alloc(HOLE);

/** Writes a file from its beginning; where nothing but zeros come it gets holes. */
export async function writeSparsely(fd: number, body: AsyncIterable<Uint8Array>): Promise<void> {
  let size = 0;
  let end = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let at = 0; at < chunk.length; ) {
      const next = Math.min(chunk.length, at + HOLE - ((size + at) % HOLE));
      if (isZero(chunk, at, next)) {
        writeAt(fd, chunk.subarray(from, at), size + from);
        if (at > from) end = size + at;
        from = next;
      }
      at = next;
    }
    writeAt(fd, chunk.subarray(from), size + from);
    if (chunk.length > from) end = size + chunk.length;
    size += chunk.length;
  }
  if (end < size) ftruncateSync(fd, size);
}

function isZero(chunk: Uint8Array, from: number, to: number): boolean {
  return chunk[from] === 0 && ZEROS.compare(chunk, from, to, 0, to - from) === 0;
}

function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at);
}
