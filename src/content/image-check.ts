import type { CallOptions } from "../call-options.js";
import { isNotFound } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { type Manifest, parseManifest } from "../oci/manifest.js";
import { isConfigType, isDocumentType, isIndexType, isManifestType } from "../oci/media-types.js";
import type { Platform } from "../oci/platform.js";
import { listsParts, readDocument, readIndex } from "./documents.js";
import { orUndefined } from "./found.js";
import {
  type FoundManifest,
  findManifest,
  type ImageOptions,
  platformOf,
  readImageConfig,
  rootFSOf,
} from "./image-manifest.js";
import { indexEntries } from "./index-entries.js";
import { matcherOf } from "./platform-choice.js";
import { type AnyProvider, presenceOf } from "./presence.js";

/** What of one platform's image, or of a checkpoint, is there. */
export interface PlatformCheck {
  /** What the image is for; `undefined` when nothing that is there says it. */
  readonly platform: Platform | undefined;
  /** The manifest; the index of a checkpoint, or of what else stands in one directly. */
  readonly manifest: Descriptor;
  /** Whether the manifest is there, so that `required` is all that is needed. If not, it is the one thing required. */
  readonly available: boolean;
  /** Config and layers; all parts of a checkpoint, and what is needed of the image among them. */
  readonly required: readonly Descriptor[];
  /** Those that are there. */
  readonly present: readonly Descriptor[];
  /** Those that are not. */
  readonly missing: readonly Descriptor[];
  /** Whether nothing is missing. */
  readonly complete: boolean;
  /** Name of the unpacked layers; `undefined` when it has none, or the config is not there. */
  readonly chainId: Digest | undefined;
  /** Which snapshotters hold the layers unpacked; none when nobody was asked. */
  readonly unpacked: readonly string[];
}

/** What to look at. */
export interface CheckImageOptions extends CallOptions, Pick<ImageOptions, "platform"> {
  /** Says which snapshotters hold a committed snapshot of that name. */
  readonly unpackedInto?: UnpackedInto | undefined;
}

/**
 * Names the snapshotters that hold a committed snapshot.
 *
 * @inline
 */
type UnpackedInto = (chainId: Digest) => Promise<readonly string[]>;

/**
 * Looks for everything an image needs, platform by platform; only presence and size are looked at, not the bytes of layers.
 * With a platform only the image that suits it best is looked at, and without any the target is what is missing.
 *
 * @example
 * ```ts
 * for (const { platform, complete, missing } of await checkImage(store, target)) console.log(platform, complete, missing);
 * ```
 * @throws {DataLossError} when something is there that is not what its descriptor says
 */
export async function checkImage(
  provider: AnyProvider,
  target: Descriptor,
  options: CheckImageOptions = {},
): Promise<readonly PlatformCheck[]> {
  const { platform, unpackedInto = async () => [], ...call } = options;
  const checker = new Checker(provider, unpackedInto, call);
  try {
    const checkpoint = await checker.checkpoint(target);
    if (checkpoint !== undefined) {
      const suits = platform === undefined || checkpoint.platform === undefined;
      return [suits || matcherOf(platform).matches(checkpoint.platform) ? checkpoint : unavailable(target)];
    }
    if (platform === undefined) return await checker.all(target);
    const { path, manifest } = await findManifest(provider, target, { platform, ...call });
    return [await checker.manifest(path.at(-1) ?? target, manifest)];
  } catch (reason) {
    if (!isNotFound(reason)) throw reason;
    return [unavailable(target)];
  }
}

class Checker {
  readonly #provider: AnyProvider;
  readonly #unpackedInto: UnpackedInto;
  readonly #call: CallOptions;

  constructor(provider: AnyProvider, unpackedInto: UnpackedInto, call: CallOptions) {
    this.#provider = provider;
    this.#unpackedInto = unpackedInto;
    this.#call = call;
  }

  /** What a checkpoint needs: all its parts, and of an image among them what is for its platform. */
  async checkpoint(target: Descriptor): Promise<PlatformCheck | undefined> {
    if (!isIndexType(target.mediaType)) return undefined;
    const listed = await readIndex(this.#provider, target, this.#call);
    if (!listsParts(listed)) return undefined;
    const platform = listed.find((part) => part.platform !== undefined)?.platform;
    const required: Descriptor[] = [];
    const missing: Descriptor[] = [];
    let rootFS: Pick<PlatformCheck, "chainId" | "unpacked"> = { chainId: undefined, unpacked: [] };
    for (const part of listed) {
      const isImage = isDocumentType(part.mediaType);
      const found = isImage ? await orUndefined(this.#find(part, platform)) : undefined;
      if (isImage && found === undefined) missing.push(part);
      required.push(
        ...(found === undefined ? [part] : [...found.path, found.manifest.config, ...found.manifest.layers]),
      );
      if (found !== undefined) rootFS = await this.manifest(part, found.manifest);
    }
    const { chainId, unpacked } = rootFS;
    const check = await this.#parts(
      target,
      platform,
      required.filter((part) => !missing.includes(part)),
    );
    const all = [...missing, ...check.missing];
    return { ...check, required, missing: all, complete: all.length === 0, chainId, unpacked };
  }

  #find(image: Descriptor, platform: Platform | undefined): Promise<FoundManifest> {
    return findManifest(this.#provider, image, { ...this.#call, platform });
  }

  async all(target: Descriptor): Promise<readonly PlatformCheck[]> {
    const checks: PlatformCheck[] = [];
    const parts = new Map<Descriptor, Descriptor[]>();
    for await (const { descriptor, parent = target } of indexEntries(this.#provider, target, this.#call)) {
      if (isManifestType(descriptor.mediaType)) checks.push(await this.#manifestAt(descriptor));
      else if (isIndexType(descriptor.mediaType)) checks.push(unavailable(descriptor));
      else parts.set(parent, [...(parts.get(parent) ?? []), descriptor]);
    }
    for (const [index, required] of parts) {
      const platform = required.find((part) => part.platform !== undefined)?.platform;
      checks.push(await this.#parts(index, platform, required));
    }
    return checks;
  }

  async #manifestAt(descriptor: Descriptor): Promise<PlatformCheck> {
    const { mediaType } = descriptor;
    let bytes: Uint8Array;
    try {
      bytes = await readDocument(this.#provider, descriptor, this.#call);
    } catch (reason) {
      if (!isNotFound(reason)) throw reason;
      return unavailable(descriptor);
    }
    return this.manifest(descriptor, parseManifest(bytes, { mediaType }));
  }

  async manifest(descriptor: Descriptor, { config, layers }: Manifest): Promise<PlatformCheck> {
    const check = await this.#parts(descriptor, descriptor.platform, [config, ...layers]);
    if (!isConfigType(config.mediaType) || check.missing.includes(config)) return check;
    const image = await readImageConfig(this.#provider, config, this.#call);
    const { chainId } = rootFSOf(image);
    const unpacked = chainId === undefined ? [] : await this.#unpackedInto(chainId);
    return { ...check, platform: check.platform ?? platformOf(image), chainId, unpacked };
  }

  async #parts(
    manifest: Descriptor,
    platform: Platform | undefined,
    required: readonly Descriptor[],
  ): Promise<PlatformCheck> {
    const { present, missing } = await presenceOf(this.#provider, required, this.#call);
    const complete = missing.length === 0;
    const unknown = { chainId: undefined, unpacked: [] };
    return { platform, manifest, available: true, required, present, missing, complete, ...unknown };
  }
}

function unavailable(descriptor: Descriptor): PlatformCheck {
  return {
    platform: descriptor.platform,
    manifest: descriptor,
    available: false,
    required: [descriptor],
    present: [],
    missing: [descriptor],
    complete: false,
    chainId: undefined,
    unpacked: [],
  };
}
