import type { CallOptions } from "../call-options.js";
import { readDocument } from "../content/blob.js";
import type { Provider } from "../content/store.js";
import { isNotFound } from "../errors.js";
import { chainId } from "../oci/chain-id.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { type ImageConfig, parseImageConfig } from "../oci/image-config.js";
import { parseIndex } from "../oci/image-index.js";
import { parseManifest } from "../oci/manifest.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";

/** One platform's image inside what an image name stands for. */
export interface PlatformImage {
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  readonly chainId: Digest;
}

const DEEPEST_INDEX = 4;

/**
 * Every platform's image under `target` whose documents are in the store; those that were never fetched are passed
 * over, as is usual for the other platforms of an index.
 */
export async function* platformImages(
  provider: Provider,
  target: Descriptor,
  call: CallOptions = {},
  seen: Set<Digest> = new Set(),
  depth = 0,
): AsyncGenerator<PlatformImage, void, undefined> {
  if (isIndexType(target.mediaType) && depth < DEEPEST_INDEX) {
    const index = parseIndex(await readDocument(provider, target, call));
    for (const child of index.manifests) {
      if (seen.has(child.digest)) continue;
      seen.add(child.digest);
      yield* platformImages(provider, child, call, seen, depth + 1);
    }
    return;
  }
  if (!isManifestType(target.mediaType)) return;
  try {
    const manifest = parseManifest(await readDocument(provider, target, call));
    const config = parseImageConfig(await readDocument(provider, manifest.config, call));
    if (config.rootfs.diff_ids.length > 0) yield { manifest: target, config, chainId: chainId(config.rootfs.diff_ids) };
  } catch (reason) {
    if (depth === 0 || !isNotFound(reason)) throw reason;
  }
}

/** The platform's image whose unpacked layers are the snapshot `chain`: the one a container really stands on. */
export async function imageOnChain(
  provider: Provider,
  target: Descriptor,
  chain: string,
  call: CallOptions = {},
): Promise<PlatformImage | undefined> {
  for await (const image of platformImages(provider, target, call)) if (image.chainId === chain) return image;
  return undefined;
}
