import type { CallOptions } from "../call-options.js";
import { readCheckpoint } from "../checkpoint/document.js";
import { orUndefined } from "../content/found.js";
import { readImageConfig, readManifest, rootFSOf } from "../content/image-manifest.js";
import { indexEntries } from "../content/index-entries.js";
import type { Provider } from "../content/store.js";
import { isInvalidArgument } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { ImageConfig } from "../oci/image-config.js";
import { isConfigType, isIndexType, isManifestType } from "../oci/media-types.js";
import type { Services } from "./services.js";
import { visibleBlobs } from "./visible-blobs.js";

/** One platform's image inside what an image name stands for. */
export interface PlatformImage {
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  readonly chainId: Digest;
}

/**
 * Every platform's image under `target` whose documents are in the store; those that were never fetched are passed
 * over, as is usual for the other platforms of an index.
 */
export async function* platformImages(
  provider: Provider,
  target: Descriptor,
  call: CallOptions = {},
): AsyncGenerator<PlatformImage, void, undefined> {
  for await (const { descriptor, parent } of indexEntries(provider, target, call)) {
    if (!isManifestType(descriptor.mediaType)) continue;
    const image = platformImage(provider, descriptor, call);
    const found = parent === undefined ? await image : await orUndefined(image);
    if (found !== undefined) yield found;
  }
}

/** What a manifest describes, when that is an image with layers. */
async function platformImage(
  provider: Provider,
  descriptor: Descriptor,
  call: CallOptions,
): Promise<PlatformImage | undefined> {
  const { manifest } = await readManifest(provider, descriptor, call);
  if (!isConfigType(manifest.config.mediaType)) return undefined;
  const config = await readImageConfig(provider, manifest.config, call);
  const { chainId } = rootFSOf(config);
  return chainId === undefined ? undefined : { manifest: descriptor, config, chainId };
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

/** An image whose unpacked layers are the snapshot `chain`, under whatever name: its own, or that of a checkpoint it is part of. */
export async function anyImageOnChain(
  services: Services,
  chain: string,
  call: CallOptions,
): Promise<{ readonly target: Descriptor; readonly config: ImageConfig } | undefined> {
  const provider = visibleBlobs(services);
  for await (const { target } of services.images.list([], call)) {
    const found = await lenient(imageOnChain(provider, target, chain, call));
    if (found === undefined) continue;
    const checkpoint = isIndexType(target.mediaType)
      ? await lenient(readCheckpoint(provider, target, call))
      : undefined;
    return {
      target: checkpoint === undefined ? target : (checkpoint.image.descriptor ?? found.manifest),
      config: found.config,
    };
  }
  return undefined;
}

/** An image found by the digest of its config, which some engines call its id. */
export interface ConfiguredImage {
  /** What its name stands for. */
  readonly target: Descriptor;
  readonly chainId: Digest;
}

/** The image of that config: under that name, or any other. */
export async function imageOfConfig(
  services: Services,
  configDigest: Digest,
  name: string | undefined,
  call: CallOptions,
): Promise<ConfiguredImage | undefined> {
  const named = name === undefined ? undefined : await orUndefined(services.images.get(name, call));
  const looked = new Set<string>();
  const ofConfig = async (target: Descriptor): Promise<ConfiguredImage | undefined> => {
    if (looked.has(target.digest)) return undefined;
    looked.add(target.digest);
    for await (const { manifest, chainId } of platformImages(services.content, target, call)) {
      const document = await readManifest(services.content, manifest, call);
      if (document.manifest.config.digest === configDigest) return { target, chainId };
    }
    return undefined;
  };
  const found = named && (await ofConfig(named.target));
  if (found !== undefined) return found;
  for await (const { target } of services.images.list([], call)) {
    const other = await lenient(ofConfig(target));
    if (other !== undefined) return other;
  }
  return undefined;
}

/** Images that are none, such as checkpoints, or that are not all here, are not the one. */
async function lenient<T>(found: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await orUndefined(found);
  } catch (reason) {
    if (isInvalidArgument(reason)) return undefined;
    throw reason;
  }
}
