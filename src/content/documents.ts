import type { CallOptions } from "../call-options.js";
import type { Descriptor } from "../oci/descriptor.js";
import { parseIndex } from "../oci/image-index.js";
import { MAX_DOCUMENT_SIZE } from "../oci/json.js";
import { parseManifest } from "../oci/manifest.js";
import { isContainerPartType, isIndexType, isLayerType, isManifestType } from "../oci/media-types.js";
import { readBlob } from "./blob.js";
import type { Provider } from "./store.js";

/** Levels below the root that are looked at; no image comes near it. */
export const DEEPEST_DOCUMENT = 32;

/** Reads a document's bytes, verified; one larger than documents may be is refused before anything is read. */
export function readDocument(provider: Provider, descriptor: Descriptor, call: CallOptions): Promise<Uint8Array> {
  return readBlob(provider, descriptor, { ...call, maxBytes: MAX_DOCUMENT_SIZE });
}

/** Reads what an index lists. */
export async function readIndex(
  provider: Provider,
  descriptor: Descriptor,
  call: CallOptions,
): Promise<readonly Descriptor[]> {
  const { mediaType } = descriptor;
  return parseIndex(await readDocument(provider, descriptor, call), { mediaType }).manifests;
}

/** Whether an index lists the parts of one checkpoint, and not one image for several platforms. */
export function listsParts(manifests: readonly Descriptor[]): boolean {
  // No index of an image lists a layer; a checkpoint without a task may have no other part than the changed files.
  return manifests.some(({ mediaType }) => isContainerPartType(mediaType) || isLayerType(mediaType));
}

/** What a document refers to. */
export interface Links {
  /** What it is made of, in order. */
  readonly children: readonly Descriptor[];
  /** What it says something about, which may be nowhere. */
  readonly subject: Descriptor | undefined;
}

/** @throws {InvalidArgumentError} when the bytes are not what the media type says */
export function linksOf(bytes: Uint8Array, { mediaType }: Pick<Descriptor, "mediaType">): Links {
  if (isIndexType(mediaType)) {
    const { manifests, subject } = parseIndex(bytes, { mediaType });
    return { children: manifests, subject };
  }
  if (!isManifestType(mediaType)) return { children: [], subject: undefined };
  const { config, layers, subject } = parseManifest(bytes, { mediaType });
  return { children: [config, ...layers], subject };
}

/**
 * What a document is made of: an index's manifests, a manifest's config and layers. Everything else, such as a layer or the
 * parts of a checkpoint, refers to nothing. An artifact's `subject` is not part of it.
 *
 * @throws {InvalidArgumentError} when the bytes are not what the media type says
 */
export function children(bytes: Uint8Array, descriptor: Pick<Descriptor, "mediaType">): readonly Descriptor[] {
  return linksOf(bytes, descriptor).children;
}

/** Reads documents before they are asked for, a few at a time. */
export class DocumentReader {
  readonly #provider: Provider;
  readonly #atOnce: number;
  readonly #call: CallOptions;
  readonly #ahead = new Map<string, Promise<Uint8Array>>();
  readonly #running = new Set<Promise<unknown>>();

  constructor(provider: Provider, atOnce: number, call: CallOptions) {
    this.#provider = provider;
    this.#atOnce = atOnce;
    this.#call = call;
  }

  /** Begins to read, unless as much as may be read at once is on its way, or there and not asked for yet. */
  start(descriptor: Descriptor): void {
    if (this.#ahead.has(descriptor.digest) || this.#ahead.size >= this.#atOnce) return;
    if (this.#running.size >= this.#atOnce) return;
    this.#ahead.set(descriptor.digest, this.#read(descriptor));
  }

  async take(descriptor: Descriptor): Promise<Uint8Array> {
    const ahead = this.#ahead.get(descriptor.digest);
    if (ahead !== undefined) {
      this.#ahead.delete(descriptor.digest);
      return ahead;
    }
    while (this.#running.size >= this.#atOnce) await Promise.race(this.#running);
    return this.#read(descriptor);
  }

  #read(descriptor: Descriptor): Promise<Uint8Array> {
    const reading = readDocument(this.#provider, descriptor, this.#call);
    // The walk may be left before it comes here.
    const ended = reading.catch(() => {}).finally(() => this.#running.delete(ended));
    this.#running.add(ended);
    return reading;
  }
}
