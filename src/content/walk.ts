import type { CallOptions } from "../call-options.js";
import { DataLossError, ResourceExhaustedError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { parseIndex } from "../oci/image-index.js";
import { parseManifest } from "../oci/manifest.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";
import { readDocument } from "./blob.js";
import type { Provider } from "./store.js";

/** One place in a graph of content. */
export interface Node {
  /** What is there. */
  readonly descriptor: Descriptor;
  /** What refers to it; absent for the root. */
  readonly parent?: Descriptor;
  /** Steps from the root. */
  readonly depth: number;
}

/** How a walk goes. */
export interface WalkOptions extends CallOptions {
  /** Says which nodes are yielded but not opened. Asked once for each place, before the node is yielded. */
  readonly skip?: ((node: Node) => boolean) | undefined;
}

const DEEPEST = 32;
const MOST_READ_AHEAD = 4;
// More than any image has; what waits is kept in memory.
const MOST_WAITING = 50_000;

/**
 * What a document refers to: an index's manifests, a manifest's config and layers. Everything else, such as a layer or the
 * parts of a checkpoint, refers to nothing.
 */
export function children(bytes: Uint8Array, { mediaType }: Pick<Descriptor, "mediaType">): readonly Descriptor[] {
  if (isIndexType(mediaType)) return parseIndex(bytes, { mediaType }).manifests;
  if (!isManifestType(mediaType)) return [];
  const { config, layers } = parseManifest(bytes, { mediaType });
  return [config, ...layers];
}

/**
 * Yields everything reachable from `root`, depth first, parents before children. What is reached twice is yielded and read once.
 * While the loop's body runs, up to four of the documents that come next are read ahead; leaving the loop ends these calls.
 *
 * @example
 * ```ts
 * for await (const { descriptor, depth } of walk(client.content, image.target)) {
 *   console.log(" ".repeat(depth), descriptor.mediaType, descriptor.size);
 * }
 * ```
 * @throws {NotFoundError} when a document on the way is not in the provider
 * @throws {DataLossError} when it is not what its descriptor says, or the graph is deeper than 32
 * @throws {InvalidArgumentError} when it cannot be parsed
 * @throws {ResourceExhaustedError} when it is larger than documents may be, or more than 50 000 places wait for their turn
 */
export async function* walk(
  provider: Provider,
  root: Descriptor,
  options: WalkOptions = {},
): AsyncGenerator<Node, void, undefined> {
  const { skip = () => false, ...call } = options;
  const stop = new AbortController();
  const signal = call.signal === undefined ? stop.signal : AbortSignal.any([call.signal, stop.signal]);
  const documents = new DocumentReader(provider, { ...call, signal });
  const seen = new Set<string>();
  const stack: Step[] = [step({ descriptor: root, depth: 0 }, skip)];
  try {
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { node, key, opens } = next;
      const { descriptor, depth } = node;
      if (seen.has(key)) continue;
      seen.add(key);
      if (depth > DEEPEST) throw new DataLossError(`Cannot walk ${root.digest}: it is deeper than ${DEEPEST} levels`);
      if (opens) documents.start(descriptor);
      yield node;
      if (!opens) continue;
      const below = children(await documents.take(descriptor), descriptor).map((child) =>
        step({ descriptor: child, parent: descriptor, depth: depth + 1 }, skip),
      );
      if (stack.length + below.length > MOST_WAITING) {
        throw new ResourceExhaustedError(`Cannot walk ${root.digest}: more than ${MOST_WAITING} places wait`);
      }
      stack.push(...below.toReversed());
      for (const ahead of below) if (ahead.opens && !seen.has(ahead.key)) documents.start(ahead.node.descriptor);
    }
  } finally {
    stop.abort();
  }
}

interface Step {
  readonly node: Node;
  /** The same content may be meant as a document in one place and as plain bytes in another. */
  readonly key: string;
  readonly opens: boolean;
}

function step(node: Node, skip: (node: Node) => boolean): Step {
  const { mediaType, digest } = node.descriptor;
  const kind = isIndexType(mediaType) ? "index" : isManifestType(mediaType) ? "manifest" : "bytes";
  return { node, key: `${kind} ${digest}`, opens: kind !== "bytes" && !skip(node) };
}

/** Reads documents before they are asked for, a few at a time. */
class DocumentReader {
  readonly #provider: Provider;
  readonly #call: CallOptions;
  readonly #reading = new Map<string, Promise<Uint8Array>>();

  constructor(provider: Provider, call: CallOptions) {
    this.#provider = provider;
    this.#call = call;
  }

  start(descriptor: Descriptor): void {
    if (this.#reading.has(descriptor.digest) || this.#reading.size >= MOST_READ_AHEAD) return;
    const reading = this.#read(descriptor);
    // The walk may be left before it comes here.
    reading.catch(() => {});
    this.#reading.set(descriptor.digest, reading);
  }

  async take(descriptor: Descriptor): Promise<Uint8Array> {
    const reading = this.#reading.get(descriptor.digest) ?? this.#read(descriptor);
    this.#reading.delete(descriptor.digest);
    return reading;
  }

  #read(descriptor: Descriptor): Promise<Uint8Array> {
    return readDocument(this.#provider, descriptor, this.#call);
  }
}

/**
 * The labels of a document's blob that keep what it refers to from the garbage collector.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/docs/garbage-collection.md
 */
export function gcLabels(of: readonly Pick<Descriptor, "digest">[]): Labels {
  return Object.fromEntries(of.map(({ digest }, at) => [`containerd.io/gc.ref.content.${at}`, digest]));
}
