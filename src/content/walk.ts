import type { CallOptions } from "../call-options.js";
import { DataLossError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { parseIndex } from "../oci/image-index.js";
import { parseManifest } from "../oci/manifest.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";
import { readBlob } from "./blob.js";
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
  /** Says which nodes' children are not visited. The node itself was yielded already. */
  readonly skip?: ((node: Node) => boolean) | undefined;
}

const DEEPEST = 32;

/**
 * What a document refers to: an index's manifests, a manifest's config and layers. Everything else, such as a layer or the
 * parts of a checkpoint, refers to nothing.
 */
export function children(bytes: Uint8Array, { mediaType }: Pick<Descriptor, "mediaType">): readonly Descriptor[] {
  if (isIndexType(mediaType)) return parseIndex(bytes).manifests;
  if (!isManifestType(mediaType)) return [];
  const { config, layers } = parseManifest(bytes);
  return [config, ...layers];
}

/**
 * Yields everything reachable from `root`, depth first, parents before children. What is reached twice is yielded and read once.
 *
 * @example
 * ```ts
 * for await (const { descriptor, depth } of walk(client.content, image.target)) {
 *   console.log(" ".repeat(depth), descriptor.mediaType, descriptor.size);
 * }
 * ```
 * @throws {NotFoundError} when a document on the way is not in the provider
 * @throws {DataLossError} when it is not what its descriptor says, or the graph is deeper than 32
 */
export async function* walk(
  provider: Provider,
  root: Descriptor,
  options: WalkOptions = {},
): AsyncGenerator<Node, void, undefined> {
  const { skip = () => false, ...call } = options;
  const seen = new Set<string>();
  const stack: Node[] = [{ descriptor: root, depth: 0 }];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { descriptor, depth } = node;
    if (seen.has(descriptor.digest)) continue;
    seen.add(descriptor.digest);
    if (depth > DEEPEST) throw new DataLossError(`Cannot walk ${root.digest}: it is deeper than ${DEEPEST} levels`);
    yield node;
    if (skip(node) || !(isIndexType(descriptor.mediaType) || isManifestType(descriptor.mediaType))) continue;
    const below = children(await readBlob(provider, descriptor, call), descriptor);
    for (const child of below.toReversed()) stack.push({ descriptor: child, parent: descriptor, depth: depth + 1 });
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
