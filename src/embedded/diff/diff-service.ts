import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Diff } from "../../api/services/diff/v1/diff_pb.js";
import type { Store } from "../../content/store.js";
import { DataLossError, InvalidArgumentError, UnknownError } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import { type Digest, digester, parseDigest } from "../../oci/digest.js";
import { isLayerType, MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP } from "../../oci/media-types.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { compressionOf, decompress } from "../../tar/decompress.js";
import { applyLayer } from "../../tree/apply-layer.js";
import { writeLayer } from "../../tree/layer.js";
import { callContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import { compressed, packingOf } from "./compress.js";

/** Says what a packed layer unpacks to. */
const UNCOMPRESSED = "containerd.io/uncompressed";

/** Answers for containerd's differences: layers are made of snapshots, and snapshots of layers. */
export function diffService(daemon: Daemon): ServiceImpl<typeof Diff> {
  return {
    async apply({ diff, mounts }, context) {
      const { namespace, signal } = callContext(context);
      if (diff === undefined) throw new InvalidArgumentError("diff must be set: invalid argument");
      if (!isLayerType(diff.mediaType)) {
        throw new UnknownError(`failed to get stream processor for ${diff.mediaType}: no processor for media-type`);
      }
      const digest = parseDigest(diff.digest);
      const store = daemon.content(namespace);
      const { size } = await store.info(digest, { signal });
      const tree = await daemon.filesystem(mounts);
      const stored = store.read({ digest, size }, { signal });
      const layer = new Counted(diff.mediaType === MEDIA_TYPE_LAYER ? unpackedAlready(stored) : decompress(stored));
      await applyLayer(tree, layer.bytes());
      return { applied: { mediaType: MEDIA_TYPE_LAYER, digest: layer.digest(), size: BigInt(layer.size) } };
    },

    async diff({ left, right, mediaType, ref, labels, sourceDateEpoch }, context) {
      const { namespace, lease, signal } = callContext(context);
      const type = mediaType || MEDIA_TYPE_LAYER_GZIP;
      const packing = packingOf(type);
      const [lower, upper] = [await daemon.filesystem(left), await daemon.filesystem(right)];
      const plain = new Counted(writeLayer(lower, upper, sourceDateEpoch && timestampDate(sourceDateEpoch)));
      const packed = packing === "none" ? plain : new Counted(compressed(plain.bytes(), packing));
      const call = { signal, ...(lease === undefined ? {} : { lease: { id: lease } }) };
      await store(daemon.content(namespace), ref || `diff-${crypto.randomUUID()}`, packed, call, () => ({
        ...labels,
        ...(packing === "none" ? {} : { [UNCOMPRESSED]: plain.digest() }),
      }));
      return { diff: { mediaType: type, digest: packed.digest(), size: BigInt(packed.size) } };
    },
  };
}

/** A daemon believes the one media type that says so, and unpacks nothing. */
async function* unpackedAlready(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true;
  for await (const chunk of stored) {
    const packing = isFirst ? compressionOf(chunk) : "none";
    if (packing !== "none") {
      throw new DataLossError(`Cannot unpack the layer: it is packed with ${packing}, and ${MEDIA_TYPE_LAYER} is not`);
    }
    isFirst = false;
    yield chunk;
  }
}

/** Labels are known when all is written: one of them is a digest. */
async function store(
  content: Store,
  ref: string,
  layer: Counted,
  call: Parameters<Store["writer"]>[1],
  labels: () => Labels,
): Promise<void> {
  await using writer = await content.writer(ref, call);
  if (writer.offset > 0) await writer.truncate(0);
  for await (const chunk of layer.bytes()) await writer.write(chunk);
  await writer.commit({ size: layer.size, expected: layer.digest(), labels: labels() });
}

/** Bytes that are counted and hashed as they pass. */
class Counted {
  size = 0;
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #digester = digester();
  #digest: Digest | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#source) {
      this.size += chunk.length;
      this.#digester.update(chunk);
      yield chunk;
    }
  }

  /** Of what passed; for when all did. */
  digest(): Digest {
    this.#digest ??= this.#digester.digest();
    return this.#digest;
  }
}
