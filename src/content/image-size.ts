import type { Descriptor } from "../oci/descriptor.js";
import { isDocumentType, isIndexType, isManifestType } from "../oci/media-types.js";
import { listsParts, readIndex } from "./documents.js";
import { findManifest, type ImageOptions } from "./image-manifest.js";
import type { Provider } from "./store.js";

/**
 * Adds up the bytes of one platform's image as its documents say: the documents themselves, the config, the layers as they are
 * packed. Of a checkpoint all parts count, and the image among them for its own platform. Whether the layers are there does not matter.
 *
 * @example
 * ```ts
 * const bytes = await imageSize(store, target, { platform: parsePlatform("linux/arm64") });
 * ```
 * @throws {NotFoundError} when the image has nothing for the platform, or a document is not in the provider
 */
export async function imageSize(provider: Provider, target: Descriptor, options: ImageOptions = {}): Promise<number> {
  const { platform, ...call } = options;
  const { mediaType } = target;
  if (isIndexType(mediaType)) {
    const listed = await readIndex(provider, target, call);
    const documents = listed.filter((one) => isDocumentType(one.mediaType));
    if (documents.length === 0 || listsParts(listed)) {
      const parts = listed.filter((one) => !isDocumentType(one.mediaType));
      const own = parts.find((part) => part.platform !== undefined)?.platform ?? platform;
      let size = sumOf([target, ...parts]);
      for (const image of documents) size += await imageSize(provider, image, { ...call, platform: own });
      return size;
    }
  } else if (!isManifestType(mediaType)) return target.size;
  const { path, manifest } = await findManifest(provider, target, options);
  return sumOf([...path, manifest.config, ...manifest.layers]);
}

function sumOf(descriptors: readonly Descriptor[]): number {
  return descriptors.reduce((sum, { size }) => sum + size, 0);
}
