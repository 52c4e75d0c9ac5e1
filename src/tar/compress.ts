import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import { NotImplementedError } from "../errors.js";
import type { Compression } from "./decompress.js";

/**
 * Packs a stream.
 *
 * @throws {NotImplementedError} when it is to be zstd and this Node.js has none
 */
export function compress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  const make = packers[compression];
  if (make === undefined) {
    throw new NotImplementedError(`Cannot pack with ${compression}: Node.js ${process.versions.node} has none`, {
      hint: "Use gzip, or Node.js 22.15 or later.",
    });
  }
  return packed(source, make());
}

type Packer = NodeJS.ReadWriteStream & { destroy(reason?: Error): unknown };

const packers: Readonly<Record<Compression, (() => Packer) | undefined>> = {
  none: () => new PassThrough(),
  gzip: () => zlib.createGzip({ level: 6 }),
  zstd: (zlib as { readonly createZstdCompress?: () => Packer }).createZstdCompress,
};

async function* packed(source: AsyncIterable<Uint8Array>, packer: Packer): AsyncGenerator<Uint8Array, void, undefined> {
  const input = Readable.from(source, { objectMode: false });
  const feeding = pipeline(input, packer);
  // Whoever reads is told; there it is thrown.
  feeding.catch(() => {});
  try {
    for await (const chunk of packer) yield chunk as Uint8Array;
    await feeding;
  } finally {
    input.destroy();
    packer.destroy();
  }
}
