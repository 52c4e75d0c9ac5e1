import type { CallOptions } from "../../call-options.js";
import { blobPath } from "../../content/archive/member-name.js";
import { listsParts, readDocument } from "../../content/documents.js";
import type { Provider } from "../../content/store.js";
import { InvalidArgumentError } from "../../errors.js";
import type { Descriptor, Labels } from "../../oci/descriptor.js";
import { type Index, parseIndex } from "../../oci/image-index.js";
import { type Manifest, parseManifest } from "../../oci/manifest.js";
import { isIndexType, isLayerType, isManifestType } from "../../oci/media-types.js";
import { compressionOf } from "../../tar/decompress.js";
import { decodeAny } from "../../typeurl.js";
import { parseCheckpoint } from "../document.js";
import { CheckpointMediaType } from "../media-types.js";
import { Documents } from "./documents.js";
import { archiveEntries } from "./entries.js";
import { type ArchiveLimits, documentBytes, limitsOf } from "./limits.js";
import type { ArchivePart, ArchivePartBase } from "./part.js";
import { PartReader, peeked, repeatable } from "./part-reader.js";

const DEEPEST_INDEX = 4;

/** How a checkpoint is read from a provider. */
export interface CheckpointPartsOptions extends ArchiveLimits, CallOptions {}

/**
 * Reads the parts of a checkpoint that is an image: the single layer that Podman, CRI-O and `checkpointctl build` make of an
 * archive, or containerd's index of parts. What the image says about itself comes first.
 *
 * @throws {InvalidArgumentError} when the target is no checkpoint
 * @throws {NotFoundError} when the provider does not have a part
 * @throws {DataLossError} when the bytes are not what a descriptor says
 * @throws {ResourceExhaustedError} when a limit is passed
 */
export async function* readCheckpointParts(
  provider: Provider,
  target: Descriptor,
  options: CheckpointPartsOptions = {},
): AsyncGenerator<ArchivePart, void, undefined> {
  const { signal, timeoutMs, lease } = options;
  const call: CallOptions = {
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(lease === undefined ? {} : { lease }),
  };
  const annotations: Labels[] = [];
  let at = target;
  for (let depth = 0; isIndexType(at.mediaType); depth += 1) {
    const bytes = await readDocument(provider, at, call);
    const index = parseIndex(bytes, { mediaType: at.mediaType });
    annotations.unshift(index.annotations ?? {});
    if (listsParts(index.manifests)) {
      yield imagePart(at, bytes, annotations);
      yield* partsOfIndex(provider, at, index, options, call);
      return;
    }
    const [only, ...others] = index.manifests;
    if (only === undefined || others.length > 0 || depth >= DEEPEST_INDEX) {
      throw notOne(target, `an index of ${index.manifests.length} manifests, expected one, or the parts of one`);
    }
    at = only;
  }
  if (!isManifestType(at.mediaType)) throw notOne(target, `${at.mediaType} is neither an index nor a manifest`);
  const bytes = await readDocument(provider, at, call);
  const manifest = parseManifest(bytes, { mediaType: at.mediaType });
  yield imagePart(at, bytes, [manifest.annotations ?? {}, ...annotations]);
  yield* partsOfLayer(provider, layerOf(manifest, target), options, call);
}

function layerOf({ layers }: Manifest, target: Descriptor): Descriptor {
  const [layer, ...others] = layers;
  if (layer === undefined || others.length > 0 || !isLayerType(layer.mediaType)) {
    throw notOne(target, `its image has ${layers.length} layers, expected one with the archive in it`);
  }
  return layer;
}

async function* partsOfLayer(
  provider: Provider,
  layer: Descriptor,
  options: ArchiveLimits,
  call: CallOptions,
): AsyncGenerator<ArchivePart, void, undefined> {
  const limits = limitsOf(options);
  const reader = new PartReader(limits);
  for await (const entry of archiveEntries(provider.read(layer, call), limits)) yield await reader.part(entry);
}

async function* partsOfIndex(
  provider: Provider,
  target: Descriptor,
  index: Index,
  options: ArchiveLimits,
  call: CallOptions,
): AsyncGenerator<ArchivePart, void, undefined> {
  const limits = limitsOf(options);
  const { task, rw, spec, criuOptions, others } = parseCheckpoint(index, target);
  const documents = others.find(({ mediaType }) => mediaType === CheckpointMediaType.documents);
  // What was made of an archive's documents says less than they do.
  const shown =
    documents === undefined ? index.manifests : index.manifests.filter((part) => part !== spec && part !== criuOptions);
  for (const part of shown) {
    const base = { ...baseOf(part), body: provider.read(part, call) };
    if (part === documents) {
      yield* partsOfLayer(provider, part, options, call);
      continue;
    }
    if (part === task) yield* partsOfLayer(provider, part, options, call);
    else if (part === rw) {
      const { start, body } = await peeked(base.body);
      yield { ...base, body, kind: "rootfs-diff", compression: compressionOf(start) };
    } else if (part === spec) {
      const bytes = await documentBytes(base.name, part.size, base.body, limits);
      const document = new Documents(limits).object(base.name, specJson(bytes, target));
      yield { ...base, body: repeatable(bytes), kind: "spec", document };
    } else yield { ...base, kind: "other" };
  }
}

function specJson(bytes: Uint8Array, target: Descriptor): Uint8Array {
  try {
    return decodeAny(bytes).value;
  } catch (cause) {
    throw new InvalidArgumentError(`Cannot read checkpoint ${target.digest}: its spec is broken`, { cause });
  }
}

function imagePart(target: Descriptor, bytes: Uint8Array, annotations: readonly Labels[]): ArchivePart {
  // The nearest to the layer is written last: it wins.
  const merged = Object.fromEntries(annotations.toReversed().flatMap((labels) => Object.entries(labels)));
  return { ...baseOf(target), body: repeatable(bytes), kind: "image", annotations: merged };
}

function baseOf({ digest, size }: Descriptor): Omit<ArchivePartBase, "body"> {
  return { name: blobPath(digest), size, mode: 0o444, modifiedAt: new Date(0) };
}

function notOne({ digest }: Descriptor, why: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot read a checkpoint from ${digest}: ${why}`);
}
