import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { DataLossError, isContainerdError } from "../errors.js";
import { unpackZstd } from "./zstd.js";

/**
 * How something may be packed.
 *
 * @inline
 */
export type Compression = "none" | "gzip" | "zstd";

const GZIP_MAGIC = [0x1f, 0x8b];
const ZSTD_MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
// After a first byte from 0x50 to 0x5f: some programs begin with a frame of their own.
const ZSTD_SKIPPABLE = [0x2a, 0x4d, 0x18];

/**
 * Unpacks gzip or zstd, and lets everything else through as it is; which it is shows in the first bytes, whatever a
 * media type says.
 *
 * @throws {DataLossError} when what is packed is broken or cut short
 * @throws {ResourceExhaustedError} when it is zstd with a window larger than 128 MiB
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    const head: Uint8Array[] = [];
    let length = 0;
    while (length < ZSTD_MAGIC.length) {
      const next = await chunks.next();
      if (next.done) break;
      head.push(next.value);
      length += next.value.length;
    }
    const start = Buffer.concat(head);
    const compression = compressionOf(start);
    if (compression === "none") {
      if (start.length > 0) yield start;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
      return;
    }
    yield* unpacked(compression, start, chunks);
  } finally {
    await chunks.return?.();
  }
}

/** How something is packed, as its first bytes say. */
export function compressionOf(start: Uint8Array): Compression {
  const begins = (magic: readonly number[]) => magic.every((byte, at) => start[at] === byte);
  if (begins(GZIP_MAGIC)) return "gzip";
  const isSkippable = ((start[0] ?? 0) & 0xf0) === 0x50 && ZSTD_SKIPPABLE.every((byte, at) => start[at + 1] === byte);
  return begins(ZSTD_MAGIC) || isSkippable ? "zstd" : "none";
}

async function* unpacked(
  compression: "gzip" | "zstd",
  start: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sourceFault: { readonly reason: unknown } | undefined;
  async function* packed(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield start;
      for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
    } catch (reason) {
      sourceFault = { reason };
      throw reason;
    }
  }
  try {
    yield* compression === "gzip" ? unpackGzip(packed()) : unpackZstd(packed());
  } catch (reason) {
    if (sourceFault !== undefined) throw sourceFault.reason;
    if (isContainerdError(reason)) throw reason;
    throw new DataLossError(
      `Cannot unpack ${compression}: ${reason instanceof Error ? reason.message : String(reason)}`,
      {
        cause: reason,
      },
    );
  }
}

async function* unpackGzip(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let length = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of packed) {
      length += chunk.length;
      yield chunk;
    }
  }
  const input = Readable.from(counted(), { objectMode: false });
  const output = createGunzip();
  input.on("error", (reason) => output.destroy(reason));
  input.pipe(output);
  try {
    for await (const chunk of output) yield chunk as Uint8Array;
    // Node.js passes over what is no gzip behind one; others fail there.
    if (output.bytesWritten < length) throw new DataLossError("Cannot unpack gzip: there is something else behind it");
  } finally {
    input.destroy();
    output.destroy();
  }
}
