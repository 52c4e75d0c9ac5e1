import type { CallOptions } from "../call-options.js";
import { DataLossError, isNotFound } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { isIndexType } from "../oci/media-types.js";
import { DEEPEST_DOCUMENT, readIndex } from "./documents.js";
import type { Provider } from "./store.js";

/** What an index lists, or an index below it. */
export interface IndexEntry {
  /** What is listed: anything but an index that could be read. */
  readonly descriptor: Descriptor;
  /** The index that lists it; absent for a target that is no index itself. */
  readonly parent?: Descriptor;
}

/**
 * Yields all that an index lists, through indexes of indexes, each as often as it is listed. An index below the target that is not
 * in the provider is yielded itself. Attestations are left out: the index says that they run nowhere.
 *
 * @throws {NotFoundError} when the target itself is an index and not in the provider
 * @throws {DataLossError} when indexes are nested without end
 */
export async function* indexEntries(
  provider: Provider,
  target: Descriptor,
  call: CallOptions,
): AsyncGenerator<IndexEntry, void, undefined> {
  const opened = new Set<string>();
  const stack: (IndexEntry & { readonly depth: number })[] = [{ descriptor: target, depth: 0 }];
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    const { depth, descriptor } = entry;
    const { mediaType, digest } = descriptor;
    if (!isIndexType(mediaType)) {
      if (!isAttestation(descriptor)) yield entry;
      continue;
    }
    if (opened.has(digest)) continue;
    opened.add(digest);
    if (depth > DEEPEST_DOCUMENT) throw new DataLossError(`Cannot read index ${target.digest}: it is nested too deep`);
    try {
      const manifests = await readIndex(provider, descriptor, call);
      const below = manifests.map((child) => ({ descriptor: child, parent: descriptor, depth: depth + 1 }));
      stack.push(...below.toReversed());
    } catch (reason) {
      if (depth === 0 || !isNotFound(reason)) throw reason;
      yield entry;
    }
  }
}

function isAttestation({ platform }: Descriptor): boolean {
  return platform?.os === "unknown" || platform?.architecture === "unknown";
}
