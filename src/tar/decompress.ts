import type { Transform } from "node:stream";
import { Readable } from "node:stream";
import * as zlib from "node:zlib";
import { DataLossError, isContainerdError, NotImplementedError } from "../errors.js";
import { zstdFrames } from "./zstd-frames.js";

/** How something may be packed. */
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
 * @throws {NotImplementedError} when it is zstd and this Node.js cannot unpack that
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
    const packed = withStart(start, chunks);
    if (compression === "gzip") yield* unpacked(compression, packed);
    else for await (const frame of zstdFrames(packed)) yield* unpacked(compression, frame);
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

async function* withStart(
  start: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* unpacked(
  compression: "gzip" | "zstd",
  packed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sourceFault: { readonly reason: unknown } | undefined;
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* packed;
    } catch (reason) {
      sourceFault = { reason };
      throw reason;
    }
  }
  const input = Readable.from(source(), { objectMode: false });
  const output = decompressor(compression);
  input.on("error", (reason) => output.destroy(reason));
  input.pipe(output);
  try {
    for await (const chunk of output) yield chunk as Uint8Array;
  } catch (reason) {
    if (sourceFault !== undefined) throw sourceFault.reason;
    if (isContainerdError(reason)) throw reason;
    throw new DataLossError(
      `Cannot unpack ${compression}: ${reason instanceof Error ? reason.message : String(reason)}`,
      {
        cause: reason,
      },
    );
  } finally {
    input.destroy();
    output.destroy();
  }
}

function decompressor(compression: "gzip" | "zstd"): Transform {
  if (compression === "gzip") return zlib.createGunzip();
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress === undefined) {
    throw new NotImplementedError("Cannot unpack zstd: this Node.js has no zstd", {
      hint: "Node.js 22.15 and later have it.",
    });
  }
  return createZstdDecompress();
}
