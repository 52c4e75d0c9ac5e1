import type { CallOptions } from "../../call-options.js";
import { DataLossError, InvalidArgumentError, NotFoundError } from "../../errors.js";
import type { Descriptor, Labels } from "../../oci/descriptor.js";
import { isIndexType, isManifestType, isNonDistributableType } from "../../oci/media-types.js";
import { formatPlatform, type Platform } from "../../oci/platform.js";
import { platformMatcher } from "../../oci/platform-match.js";
import { children, DEEPEST_DOCUMENT, readDocument } from "../documents.js";
import type { Provider } from "../store.js";
import { gcLabels, type Node } from "../walk.js";

/** Which parts of images are meant. */
export interface Selection {
  /**
   * Of an index's manifests only the best ones for each of these platforms, which must be there. A manifest with no platform beside
   * it, and the parts of a checkpoint, are meant in any case. Default: all manifests.
   */
  readonly platforms?: readonly Platform[] | undefined;
  /** Passes over manifests of an index that are not there as a whole, instead of refusing. One at least must be there. */
  readonly skipMissing?: boolean | undefined;
  /** Leaves out layers that registries do not hand on. Where these are missing they are passed over in any case. */
  readonly skipNonDistributable?: boolean | undefined;
  /** Says what else is left out, with all below it. It need not be there. */
  readonly skip?: ((node: Node) => boolean) | undefined;
}

/** One blob that is meant. */
export interface Selected {
  /** What it is. */
  readonly descriptor: Descriptor;
  /** What it refers to, as far as that is meant too. */
  readonly children: readonly Descriptor[];
  /** Labels that keep these. */
  readonly labels: Labels;
}

/** Says whether a blob is there. */
export type IsThere = (descriptor: Descriptor) => Promise<boolean>;

/**
 * Finds what of the images is meant, parents before what they refer to; each blob once.
 *
 * @throws {NotFoundError} when some of it is not there
 * @throws {DataLossError} when it is not what its descriptor says, or the graph is deeper than 32
 * @throws {InvalidArgumentError} when a document cannot be parsed
 */
export async function selectBlobs(
  provider: Provider,
  roots: readonly Descriptor[],
  selection: Selection,
  isThere: IsThere,
  call: CallOptions,
): Promise<Selected[]> {
  const selector = new Selector(provider, selection, isThere, call);
  for (const root of roots) await selector.require(root);
  return selector.inOrder(roots);
}

type Verdict = { readonly isWhole: false } | { readonly isWhole: true; readonly selected: Selected | undefined };

const LEFT_OUT: Verdict = { isWhole: true, selected: undefined };
const MISSING: Verdict = { isWhole: false };

class Selector {
  readonly #provider: Provider;
  readonly #selection: Selection;
  readonly #isThere: IsThere;
  readonly #call: CallOptions;
  /** What is reached twice is looked at once, however often the graph refers to it. */
  readonly #verdicts = new Map<string, Verdict>();
  #missing: Descriptor[] = [];

  constructor(provider: Provider, selection: Selection, isThere: IsThere, call: CallOptions) {
    this.#provider = provider;
    this.#selection = selection;
    this.#isThere = isThere;
    this.#call = call;
  }

  async require(root: Descriptor): Promise<void> {
    if (!isDocument(root)) {
      throw new InvalidArgumentError(
        `Cannot take ${root.digest} for an image: ${JSON.stringify(root.mediaType)} is neither an index nor a manifest`,
      );
    }
    this.#missing = [];
    const verdict = await this.#judge({ descriptor: root, depth: 0 });
    if (verdict.isWhole) return;
    const named = this.#missing.slice(0, 3).map(({ digest, mediaType }) => `${digest} (${mediaType})`);
    const more = this.#missing.length > named.length ? ` and ${this.#missing.length - named.length} more` : "";
    throw new NotFoundError(`Image ${root.digest} is not whole: ${named.join(", ")}${more} missing`, {
      hint: "Name the platforms that are wanted, or pass over what is missing.",
    });
  }

  inOrder(roots: readonly Descriptor[]): Selected[] {
    const found = new Map<string, Selected>();
    const stack = roots.toReversed();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const key = keyOf(next);
      const verdict = this.#verdicts.get(key);
      if (found.has(key) || !verdict?.isWhole || verdict.selected === undefined) continue;
      found.set(key, verdict.selected);
      stack.push(...verdict.selected.children.toReversed());
    }
    return [...found.values()];
  }

  async #judge(node: Node): Promise<Verdict> {
    const { descriptor, depth } = node;
    const key = keyOf(descriptor);
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    if (depth > DEEPEST_DOCUMENT)
      throw new DataLossError(`Cannot walk ${descriptor.digest}: it is deeper than ${DEEPEST_DOCUMENT} levels`);
    const verdict = await this.#look(node);
    this.#verdicts.set(key, verdict);
    return verdict;
  }

  async #look(node: Node): Promise<Verdict> {
    const { descriptor } = node;
    const isRestricted = isNonDistributableType(descriptor.mediaType);
    if (isRestricted && this.#selection.skipNonDistributable === true) return LEFT_OUT;
    if (this.#selection.skip?.(node) === true) return LEFT_OUT;
    if (!(await this.#isThere(descriptor))) {
      if (isRestricted) return LEFT_OUT;
      this.#missing.push(descriptor);
      return MISSING;
    }
    if (!isDocument(descriptor)) return { isWhole: true, selected: { descriptor, children: [], labels: {} } };
    const all = children(await readDocument(this.#provider, descriptor, this.#call), descriptor);
    const wanted = isIndexType(descriptor.mediaType) ? this.#forPlatforms(descriptor, all) : all;
    if (wanted === undefined) {
      this.#missing.push(descriptor);
      return MISSING;
    }
    const kept = await this.#whole(node, wanted);
    if (kept === undefined) return MISSING;
    return { isWhole: true, selected: { descriptor, children: kept, labels: labelsOf(all, kept) } };
  }

  /** Those of the children that are kept; undefined when one that must be there is not. */
  async #whole(node: Node, wanted: readonly Descriptor[]): Promise<readonly Descriptor[] | undefined> {
    const mayMiss = this.#selection.skipMissing === true && isIndexType(node.descriptor.mediaType);
    const kept: Descriptor[] = [];
    let isWhole = true;
    for (const child of wanted) {
      const verdict = await this.#judge({ descriptor: child, parent: node.descriptor, depth: node.depth + 1 });
      if (verdict.isWhole && verdict.selected !== undefined) kept.push(child);
      // A gap among a manifest's layers, or a checkpoint's parts, makes the whole worthless.
      else if (!verdict.isWhole && !(mayMiss && isDocument(child))) isWhole = false;
    }
    if (mayMiss && wanted.length > 0 && kept.length === 0) return undefined;
    return isWhole ? kept : undefined;
  }

  #forPlatforms(index: Descriptor, all: readonly Descriptor[]): readonly Descriptor[] | undefined {
    const { platforms, skipMissing } = this.#selection;
    const choices = all.filter((child) => isDocument(child) && child.platform !== undefined);
    if (platforms === undefined || choices.length === 0) return all;
    const best = new Set<Descriptor>();
    for (const platform of platforms) {
      const matcher = platformMatcher(platform);
      const suits = (child: Descriptor): Platform => child.platform as Platform;
      const [first, ...rest] = choices
        .filter((child) => matcher.matches(suits(child)))
        .sort((left, right) => matcher.compare(suits(left), suits(right)));
      if (first !== undefined) best.add(first);
      else if (skipMissing !== true) {
        throw new NotFoundError(`Cannot find an image for ${formatPlatform(platform)} in ${index.digest}`);
      }
      for (const other of rest) if (first && matcher.compare(suits(first), suits(other)) === 0) best.add(other);
    }
    const wanted = all.filter((child) => !choices.includes(child) || best.has(child));
    return wanted.length > 0 ? wanted : undefined;
  }
}

/** Keeps the numbers of children that are left out free: another time they may be meant. */
function labelsOf(all: readonly Descriptor[], kept: readonly Descriptor[]): Labels {
  const digests = new Set<string>(kept.map(({ digest }) => digest));
  return Object.fromEntries(Object.entries(gcLabels(all)).filter(([, digest]) => digests.has(digest)));
}

/** Whether it refers to other content. */
export function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}

/** The same bytes may be meant as a document in one place and as plain bytes in another. */
function keyOf({ mediaType, digest, size }: Descriptor): string {
  const kind = isIndexType(mediaType) ? "index" : isManifestType(mediaType) ? "manifest" : "bytes";
  return `${kind} ${digest} ${size} ${isNonDistributableType(mediaType)}`;
}
