import type { Image as ImageMessage } from "../api/services/images/v1/images_pb.js";
import type { CallOptions } from "../call-options.js";
import { readDocument } from "../content/blob.js";
import type { Provider } from "../content/store.js";
import { FailedPreconditionError, isNotFound, NotFoundError } from "../errors.js";
import { chainId } from "../oci/chain-id.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { type ImageConfig, parseImageConfig } from "../oci/image-config.js";
import { parseIndex } from "../oci/image-index.js";
import { type Manifest, parseManifest } from "../oci/manifest.js";
import { isConfigType, isIndexType, isManifestType } from "../oci/media-types.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { platformMatcher } from "../oci/platform-match.js";
import { withDeadline } from "./deadline.js";
import { daemonPlatform } from "./features.js";
import type { ImageChanges } from "./images.js";
import type { Services } from "./services.js";
import { descriptorOf, mapOf, recordedAt } from "./wire.js";

/**
 * Which platform's image to look at, and how long to wait.
 *
 * @inline
 */
export interface PlatformOptions extends CallOptions {
  /** The platform; that of the daemon when absent. */
  readonly platform?: Platform | undefined;
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

/** An image's record as it was read: plain facts, and ways to go on from there. */
export class Image {
  /** The image's name. */
  readonly name: string;
  /** What the name points at: an index or a manifest. */
  readonly target: Descriptor;
  /** The image's labels. */
  readonly labels: Labels;
  /** When the record was made. */
  readonly createdAt: Date;
  /** When it last changed. */
  readonly updatedAt: Date;
  readonly #services: Services;

  /** @internal */
  constructor(services: Services, message: ImageMessage) {
    this.#services = services;
    this.name = message.name;
    this.target = descriptorOf(message.target, `the target of image ${JSON.stringify(message.name)}`);
    this.labels = mapOf(message.labels);
    this.createdAt = recordedAt(message.createdAt);
    this.updatedAt = recordedAt(message.updatedAt);
  }

  /**
   * Reads the manifest for one platform.
   *
   * @throws {NotFoundError} when the image has none for that platform, or it is not in the store
   */
  async manifest(options: PlatformOptions = {}): Promise<Manifest> {
    return withDeadline(`Reading the manifest of image ${this.name}`, options, async (call) => {
      const { manifest } = await this.#find(options.platform, call);
      return manifest;
    });
  }

  /**
   * Reads the config for one platform.
   *
   * @throws {NotFoundError} when the image has none for that platform, or it is not in the store
   */
  async config(options: PlatformOptions = {}): Promise<ImageConfig> {
    return withDeadline(`Reading the config of image ${this.name}`, options, async (call) => {
      const { manifest } = await this.#find(options.platform, call);
      return readImageConfig(this.#services.content, manifest, call);
    });
  }

  /**
   * Reads what the filesystem for one platform is made of.
   *
   * @throws {NotFoundError} when the image has nothing for that platform, or it is not in the store
   */
  async rootFS(options: PlatformOptions = {}): Promise<ImageRootFS> {
    const { rootfs } = await this.config(options);
    const diffIds = rootfs.diff_ids;
    return { diffIds, chainId: diffIds.length === 0 ? undefined : chainId(diffIds) };
  }

  /**
   * Points the name at something else, or changes labels, and returns the new record; this object stays as it is.
   *
   * @throws {NotFoundError} when the image is gone
   */
  update(changes: ImageChanges, call: CallOptions = {}): Promise<Image> {
    return this.#services.images.update(this.name, changes, call);
  }

  /**
   * Removes the name; its content is collected when nothing else holds it. `sync` waits for that.
   *
   * @throws {NotFoundError} when the image is gone
   */
  delete(options: { readonly sync?: boolean | undefined } & CallOptions = {}): Promise<void> {
    return this.#services.images.delete(this.name, options);
  }

  async #find(wanted: Platform | undefined, call: CallOptions): Promise<ImageManifest> {
    const platform = wanted ?? (await daemonPlatform(this.#services, call));
    return readImageManifest(this.#services.content, this.target, platform, call);
  }
}

/** A manifest and where it is. */
export interface ImageManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

const DEEPEST_INDEX = 4;

/**
 * Finds the manifest that suits a platform best, through indexes of indexes.
 *
 * @throws {NotFoundError} when there is none, or a document on the way is not in the store
 * @throws {FailedPreconditionError} when the target is neither an index nor a manifest
 */
export async function readImageManifest(
  provider: Provider,
  target: Descriptor,
  platform: Platform,
  call: CallOptions = {},
): Promise<ImageManifest> {
  const found = await bestManifest(provider, target, platform, call, new Set(), 0);
  if (found !== undefined) return found;
  throw new NotFoundError(`Cannot find an image for ${formatPlatform(platform)} in ${target.digest}`);
}

/** Reads the config a manifest names. */
export async function readImageConfig(
  provider: Provider,
  manifest: Manifest,
  call: CallOptions = {},
): Promise<ImageConfig> {
  if (!isConfigType(manifest.config.mediaType)) {
    throw new FailedPreconditionError(
      `Cannot read image config ${manifest.config.digest}: it is of type ${JSON.stringify(manifest.config.mediaType)}`,
    );
  }
  return parseImageConfig(await readDocument(provider, manifest.config, call));
}

async function bestManifest(
  provider: Provider,
  target: Descriptor,
  platform: Platform,
  call: CallOptions,
  seen: Set<Digest>,
  depth: number,
): Promise<ImageManifest | undefined> {
  if (isManifestType(target.mediaType)) {
    const manifest = parseManifest(await readDocument(provider, target, call), { mediaType: target.mediaType });
    // A manifest named directly has no platform beside it: what it was asked for as a whole is what it is.
    return { descriptor: target, manifest };
  }
  if (!isIndexType(target.mediaType) || depth === DEEPEST_INDEX) {
    throw new FailedPreconditionError(
      `Cannot read image ${target.digest}: ${JSON.stringify(target.mediaType)} is neither a manifest nor an index`,
    );
  }
  const index = parseIndex(await readDocument(provider, target, call), { mediaType: target.mediaType });
  const matcher = platformMatcher(platform);
  const candidates: { readonly child: Descriptor; readonly suits: Platform }[] = [];
  const further: Descriptor[] = [];
  for (const child of index.manifests) {
    // Indexes that list each other many times would have no end that anybody lives to see.
    if (seen.has(child.digest)) continue;
    seen.add(child.digest);
    if (isIndexType(child.mediaType)) further.push(child);
    if (!isManifestType(child.mediaType)) continue;
    const suits = child.platform ?? (await childPlatform(provider, child, call));
    if (suits !== undefined && matcher.matches(suits)) candidates.push({ child, suits });
  }
  candidates.sort((a, b) => matcher.compare(a.suits, b.suits));
  const [best] = candidates;
  if (best !== undefined) return bestManifest(provider, best.child, platform, call, seen, depth + 1);
  for (const child of further) {
    const found = await bestManifest(provider, child, platform, call, seen, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What a manifest without a platform beside it is for, from its config; `undefined` when that was never fetched. */
async function childPlatform(provider: Provider, child: Descriptor, call: CallOptions): Promise<Platform | undefined> {
  try {
    const manifest = parseManifest(await readDocument(provider, child, call), { mediaType: child.mediaType });
    return isConfigType(manifest.config.mediaType) ? await readImageConfig(provider, manifest, call) : undefined;
  } catch (reason) {
    if (isNotFound(reason)) return undefined;
    throw reason;
  }
}
