import type { CallOptions } from "../call-options.js";
import { DataLossError, InvalidArgumentError, isNotFound, ResourceExhaustedError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";
import { DEEPEST_DOCUMENT, DocumentReader, linksOf } from "./documents.js";
import { manifestFilter, type PlatformChoice } from "./platform-choice.js";
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
export interface WalkOptions extends CallOptions, PlatformChoice {
  /** Says which nodes are yielded but not opened. Asked once for each place, before the node is yielded. */
  readonly skip?: ((node: Node) => boolean) | undefined;
  /** How many documents are read at once at most. Default: 4. */
  readonly concurrency?: number | undefined;
  /** Whether a document below the root that is not in the provider is yielded and not opened: a platform that was never fetched. */
  readonly skipMissing?: boolean | undefined;
  /** Whether what an artifact is about, its `subject`, belongs to it too. Default: no. */
  readonly subjects?: boolean | undefined;
}

// More than any image has; what waits is kept in memory.
const MOST_WAITING = 50_000;

/**
 * Yields everything reachable from `root`, depth first, parents before children. What is reached twice is yielded and read once.
 * While the loop's body runs, some of the documents that come next are read ahead; leaving the loop ends these calls.
 *
 * @example
 * ```ts
 * for await (const { descriptor, depth } of walk(client.content, image.target)) {
 *   console.log(" ".repeat(depth), descriptor.mediaType, descriptor.size);
 * }
 * ```
 * @throws {NotFoundError} when a document on the way is not in the provider
 * @throws {DataLossError} when it is not what its descriptor says, or the graph is deeper than 32
 * @throws {InvalidArgumentError} when it cannot be parsed, or an option is out of bounds
 * @throws {ResourceExhaustedError} when it is larger than documents may be, or more than 50 000 places wait for their turn
 */
export async function* walk(
  provider: Provider,
  root: Descriptor,
  options: WalkOptions = {},
): AsyncGenerator<Node, void, undefined> {
  const {
    skip = () => false,
    concurrency = 4,
    skipMissing = false,
    subjects = false,
    platform,
    manifestLimit,
    ...call
  } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new InvalidArgumentError(`Cannot walk with concurrency ${concurrency}: expected a whole number from 1`);
  }
  const choose = manifestFilter({ platform, manifestLimit });
  const stop = new AbortController();
  const signal = call.signal === undefined ? stop.signal : AbortSignal.any([call.signal, stop.signal]);
  const documents = new DocumentReader(provider, concurrency, { ...call, signal });
  const seen = new Set<string>();
  const stack: Step[] = [step({ descriptor: root, depth: 0 }, skip)];
  try {
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { node, key, opens } = next;
      const { descriptor, depth } = node;
      if (seen.has(key)) continue;
      seen.add(key);
      if (depth > DEEPEST_DOCUMENT)
        throw new DataLossError(`Cannot walk ${root.digest}: it is deeper than ${DEEPEST_DOCUMENT} levels`);
      if (opens) documents.start(descriptor);
      yield node;
      if (!opens) continue;
      const bytes = await documents.take(descriptor).catch((reason: unknown) => {
        if (skipMissing && depth > 0 && isNotFound(reason)) return undefined;
        throw reason;
      });
      if (bytes === undefined) continue;
      const { children, subject } = linksOf(bytes, descriptor);
      const below = [
        ...(isIndexType(descriptor.mediaType) ? choose(children) : children),
        ...(subjects && subject !== undefined ? [subject] : []),
      ].map((child) => step({ descriptor: child, parent: descriptor, depth: depth + 1 }, skip));
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

/**
 * The labels of a document's blob that keep what it refers to from the garbage collector.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/docs/garbage-collection.md
 */
export function gcLabels(of: readonly Pick<Descriptor, "digest">[]): Labels {
  return Object.fromEntries(of.map(({ digest }, at) => [`containerd.io/gc.ref.content.${at}`, digest]));
}
