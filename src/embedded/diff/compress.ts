import { pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { NotImplementedError } from "../../errors.js";
import { type LayerCompression, layerCompression } from "../../oci/media-types.js";

/**
 * How a layer that is to be written is packed.
 *
 * @throws {NotImplementedError} when the media type is not one of OCI's for layers, or this Node.js cannot pack so
 */
export function packingOf(mediaType: string): LayerCompression {
  const packing = mediaType.startsWith("application/vnd.oci.") ? layerCompression(mediaType) : undefined;
  if (packing === undefined)
    throw new NotImplementedError(`unsupported diff media type: ${mediaType}: not implemented`);
  if (packing === "zstd" && zstd() === undefined) {
    throw new NotImplementedError(`unsupported diff media type: ${mediaType}: not implemented`, {
      hint: "Node.js 22.15 and later have zstd.",
    });
  }
  return packing;
}

/** Packs bytes on their way. */
export function compressed(source: AsyncIterable<Uint8Array>, packing: LayerCompression): AsyncIterable<Uint8Array> {
  if (packing === "none") return source;
  const packer = packing === "gzip" ? zlib.createGzip() : (zstd() as () => Transform)();
  // Who reads the packer meets the error there.
  return pipeline(Readable.from(source, { objectMode: false }), packer, () => {});
}

function zstd(): (() => Transform) | undefined {
  return (zlib as { createZstdCompress?: () => Transform }).createZstdCompress;
}
