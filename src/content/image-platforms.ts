import type { CallOptions } from "../call-options.js";
import type { Descriptor } from "../oci/descriptor.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { listsParts, readIndex } from "./documents.js";
import { orUndefined } from "./found.js";
import { manifestPlatform } from "./image-manifest.js";
import { indexEntries } from "./index-entries.js";
import type { Provider } from "./store.js";

/**
 * Lists what platforms an image is for, each once, in the order of its index. Attestations, whose platform is unknown, are left out,
 * and so are manifests that do not say and were never fetched.
 * A checkpoint is for the platforms of its parts.
 *
 * @example
 * ```ts
 * const names = (await imagePlatforms(store, target)).map((platform) => formatPlatform(platform));
 * ```
 * @throws {NotFoundError} when the target itself is not in the provider
 */
export async function imagePlatforms(
  provider: Provider,
  target: Descriptor,
  call: CallOptions = {},
): Promise<readonly Platform[]> {
  const found = new Map<string, Platform>();
  const add = (platform: Platform | undefined): void => {
    if (platform === undefined) return;
    const name = formatPlatform(platform, { systemOptions: true });
    if (!found.has(name)) found.set(name, platform);
  };
  const listed = isIndexType(target.mediaType) ? await readIndex(provider, target, call) : [];
  if (listsParts(listed)) for (const { platform } of listed) add(platform);
  else {
    for await (const { descriptor, parent } of indexEntries(provider, target, call)) {
      add(await entryPlatform(provider, descriptor, parent !== undefined, call));
    }
  }
  return [...found.values()];
}

async function entryPlatform(
  provider: Provider,
  descriptor: Descriptor,
  mayBeMissing: boolean,
  call: CallOptions,
): Promise<Platform | undefined> {
  if (!isManifestType(descriptor.mediaType)) return descriptor.platform;
  const platform = manifestPlatform(provider, descriptor, call);
  return mayBeMissing ? orUndefined(platform) : platform;
}
