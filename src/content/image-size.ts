import type { Descriptor } from "../oci/descriptor.js";
import { parseIndex } from "../oci/image-index.js";
import { isDocumentType, isIndexType, isManifestType } from "../oci/media-types.js";
import { readDocument } from "./documents.js";
import { findManifest, type ImageOptions } from "./image-manifest.js";
import type { Provider } from "./store.js";

/**
 * Adds up the bytes of one platform's image as its documents say: the documents themselves, the config, the layers as they are
 * packed. Of an index that lists no manifests, such as a checkpoint, all parts count. Whether the layers are there does not matter.
 *
 * @example
 * ```ts
 * const bytes = await imageSize(store, target, { platform: parsePlatform("linux/arm64") });
 * ```
 * @throws {NotFoundError} when the image has nothing for the platform, or a document is not in the provider
 */
export async function imageSize(provider: Provider, target: Descriptor, options: ImageOptions = {}): Promise<number> {
  const { platform: _, ...call } = options;
  const { mediaType } = target;
  if (isIndexType(mediaType)) {
    const { manifests } = parseIndex(await readDocument(provider, target, call), { mediaType });
    if (!manifests.some((child) => isDocumentType(child.mediaType))) {
      return sumOf([target, ...manifests]);
    }
  } else if (!isManifestType(mediaType)) return target.size;
  const { path, manifest } = await findManifest(provider, target, options);
  return sumOf([...path, manifest.config, ...manifest.layers]);
}

function sumOf(descriptors: readonly Descriptor[]): number {
  return descriptors.reduce((sum, { size }) => sum + size, 0);
}
