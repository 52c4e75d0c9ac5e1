import type { CallOptions } from "../call-options.js";
import { FailedPreconditionError, NotFoundError } from "../errors.js";
import { chainId } from "../oci/chain-id.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { type ImageConfig, parseImageConfig } from "../oci/image-config.js";
import { type Manifest, parseManifest } from "../oci/manifest.js";
import { isConfigType, isIndexType, isManifestType } from "../oci/media-types.js";
import { formatPlatform, hostPlatform, type Platform } from "../oci/platform.js";
import type { PlatformMatcher } from "../oci/platform-match.js";
import { listsParts, readDocument, readIndex } from "./documents.js";
import { orUndefined } from "./found.js";
import { matcherOf } from "./platform-choice.js";
import type { Provider } from "./store.js";

/** Which platform's image to look at, and how long to wait. */
export interface ImageOptions extends CallOptions {
  /** The platform, or what says which one is best. Linux on this machine's CPU when absent; with a daemon, what it runs. */
  readonly platform?: Platform | PlatformMatcher | undefined;
}

/** A manifest and where it is. */
export interface ImageManifest {
  /** Where it is. */
  readonly descriptor: Descriptor;
  /** What it says. */
  readonly manifest: Manifest;
}

/**
 * What an image's filesystem is made of.
 *
 * @inline
 */
export interface ImageRootFS {
  /** Digests of the unpacked layers, lowest first. */
  readonly diffIds: readonly Digest[];
  /** Name of the whole stack, which is also its snapshot's; `undefined` when there is no layer. */
  readonly chainId: Digest | undefined;
}

/**
 * Reads the manifest that suits a platform best, through indexes of indexes. A manifest that is named directly is taken whatever it
 * is for.
 *
 * @example
 * ```ts
 * const { manifest } = await readManifest(store, target, { platform: parsePlatform("linux/arm64") });
 * ```
 * @throws {NotFoundError} when there is none, or a document on the way is not in the provider
 * @throws {FailedPreconditionError} when the target is neither an index nor a manifest, or is a checkpoint
 */
export async function readManifest(
  provider: Provider,
  target: Descriptor,
  options: ImageOptions = {},
): Promise<ImageManifest> {
  const { path, manifest } = await findManifest(provider, target, options);
  return { descriptor: path.at(-1) ?? target, manifest };
}

/**
 * Reads how to run the image for a platform. The target may also be the config itself.
 *
 * @throws {NotFoundError} when there is none for that platform, or it is not in the provider
 * @throws {FailedPreconditionError} when what is there is no image, such as an artifact or a checkpoint
 */
export async function readImageConfig(
  provider: Provider,
  target: Descriptor,
  options: ImageOptions = {},
): Promise<ImageConfig> {
  const { platform: _, ...call } = options;
  const isConfig = isConfigType(target.mediaType);
  const config = isConfig ? target : (await readManifest(provider, target, options)).manifest.config;
  if (!isConfigType(config.mediaType)) {
    throw new FailedPreconditionError(
      `Cannot read image config ${config.digest}: it is of type ${JSON.stringify(config.mediaType)}`,
    );
  }
  return parseImageConfig(await readDocument(provider, config, call));
}

/**
 * Reads what the filesystem for a platform is made of.
 *
 * @throws {NotFoundError} when there is none for that platform, or it is not in the provider
 * @throws {FailedPreconditionError} when what is there is no image, such as an artifact or a checkpoint
 */
export async function readRootFS(
  provider: Provider,
  target: Descriptor,
  options: ImageOptions = {},
): Promise<ImageRootFS> {
  return rootFSOf(await readImageConfig(provider, target, options));
}

/** What a config says about the filesystem. */
export function rootFSOf({ rootfs }: ImageConfig): ImageRootFS {
  const diffIds = rootfs.diff_ids;
  return { diffIds, chainId: diffIds.length === 0 ? undefined : chainId(diffIds) };
}

/** A manifest, and the documents from the target down to it. */
export interface FoundManifest {
  readonly path: readonly Descriptor[];
  readonly manifest: Manifest;
}

/** @throws {NotFoundError} when there is none, or a document on the way is not in the provider */
export async function findManifest(
  provider: Provider,
  target: Descriptor,
  { platform = hostPlatform(), ...call }: ImageOptions,
): Promise<FoundManifest> {
  const found = await new ManifestSearch(provider, matcherOf(platform), call).below(target, []);
  if (found !== undefined) return found;
  const wanted = "matches" in platform ? "the platforms wanted" : formatPlatform(platform);
  throw new NotFoundError(`Cannot find an image for ${wanted} in ${target.digest}`);
}

/**
 * What a manifest is for, by the descriptor that led to it or else by its config; `undefined` when neither says.
 *
 * @throws {NotFoundError} when manifest or config has to be asked and is not in the provider
 */
export async function manifestPlatform(
  provider: Provider,
  descriptor: Descriptor,
  call: CallOptions,
): Promise<Platform | undefined> {
  if (descriptor.platform !== undefined) return descriptor.platform;
  const { mediaType } = descriptor;
  const { config } = parseManifest(await readDocument(provider, descriptor, call), { mediaType });
  return isConfigType(config.mediaType) ? platformOf(await readImageConfig(provider, config, call)) : undefined;
}

/** What a config says the image is for. */
export function platformOf(config: ImageConfig): Platform {
  const { os, architecture, variant, "os.version": version, "os.features": features } = config;
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { "os.version": version }),
    ...(features === undefined ? {} : { "os.features": features }),
  };
}

const DEEPEST_INDEX = 4;

class ManifestSearch {
  readonly #provider: Provider;
  readonly #matcher: PlatformMatcher;
  readonly #call: CallOptions;
  // Indexes that name each other many times over would take for ever.
  readonly #searched = new Set<string>();

  constructor(provider: Provider, matcher: PlatformMatcher, call: CallOptions) {
    this.#provider = provider;
    this.#matcher = matcher;
    this.#call = call;
  }

  async below(target: Descriptor, above: readonly Descriptor[]): Promise<FoundManifest | undefined> {
    const path = [...above, target];
    const { mediaType } = target;
    if (isManifestType(mediaType)) {
      return { path, manifest: parseManifest(await readDocument(this.#provider, target, this.#call), { mediaType }) };
    }
    if (!isIndexType(mediaType)) {
      throw new FailedPreconditionError(
        `Cannot read image ${target.digest}: ${JSON.stringify(mediaType)} is neither a manifest nor an index`,
      );
    }
    if (above.length === DEEPEST_INDEX) {
      throw new FailedPreconditionError(
        `Cannot read image ${path[0]?.digest}: its indexes are nested deeper than ${DEEPEST_INDEX}`,
      );
    }
    if (this.#searched.has(target.digest)) return undefined;
    this.#searched.add(target.digest);
    const manifests = await readIndex(this.#provider, target, this.#call);
    if (listsParts(manifests)) {
      if (above.length > 0) return undefined;
      throw new FailedPreconditionError(`Cannot read image ${target.digest}: it is a checkpoint, made of parts`, {
        hint: "Restore it, or read the image that is one of its parts.",
      });
    }
    const best = await this.#best(manifests);
    if (best !== undefined) return this.below(best, path);
    for (const child of manifests) {
      if (!isIndexType(child.mediaType) || !this.#suits(child.platform)) continue;
      const found = await this.below(child, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #best(manifests: readonly Descriptor[]): Promise<Descriptor | undefined> {
    const candidates: { readonly child: Descriptor; readonly platform: Platform }[] = [];
    const asked = new Set<string>();
    for (const child of manifests) {
      if (!isManifestType(child.mediaType) || asked.has(child.digest)) continue;
      if (child.platform === undefined) asked.add(child.digest);
      // What was never fetched is somebody else's platform.
      const platform = await orUndefined(manifestPlatform(this.#provider, child, this.#call));
      if (platform !== undefined && this.#matcher.matches(platform)) candidates.push({ child, platform });
    }
    candidates.sort((a, b) => this.#matcher.compare(a.platform, b.platform));
    return candidates[0]?.child;
  }

  #suits(platform: Platform | undefined): boolean {
    return platform === undefined || this.#matcher.matches(platform);
  }
}
