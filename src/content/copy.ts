import type { CallOptions } from "../call-options.js";
import { timeoutOf } from "../call-timeout.js";
import { DeadlineExceededError, isNotFound, NotFoundError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";
import { copyBlob } from "./copy-blob.js";
import { CopyCounter, type CopyProgress } from "./copy-progress.js";
import { linksOf, readDocument } from "./documents.js";
import type { Provider, Store } from "./store.js";
import { gcLabels, type Node, type WalkOptions, walk } from "./walk.js";

/** What is copied of a graph, and how. */
export interface CopyOptions extends WalkOptions {
  /** Says what is left out, with all that is below it. */
  readonly skip?: ((node: Node) => boolean) | undefined;
  /** How many blobs are copied at once at most. Default: 4. */
  readonly concurrency?: number | undefined;
  /** Told whenever bytes came, and when a blob is there. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}

/** What a copy did. */
export interface CopyResult {
  /** Blobs that came. */
  readonly copied: number;
  /** Blobs that were there already. */
  readonly present: number;
  /** Bytes that were moved; what an earlier copy had left is not counted. */
  readonly bytes: number;
}

/**
 * Copies all that is reachable from `root` from one store into another; what refers to something comes after it, with the labels that keep
 * it from the garbage collector. What is there already is not moved, but gets the labels and comes under the lease. All bytes are
 * verified. A copy that was interrupted, in whatever way, goes on where it was when it is made again.
 *
 * Without a lease a daemon may collect what has come before the root is there and has a name. `signal` and `timeoutMs` are those of
 * the whole copy.
 *
 * @example
 * ```ts
 * await using lease = await there.leases.create();
 * const { target } = await here.images.get("counter:frozen");
 * await copy(here.content, there.content, target, { lease });
 * await there.images.create("counter:frozen", target, { lease });
 * ```
 * @throws {NotFoundError} when something is missing, or nothing is there for the platform; of documents that is known before anything
 *   is written
 * @throws {DataLossError} when something is not what its descriptor says
 * @throws {UnavailableError} when somebody else writes the same blob and gets no further
 */
export async function copy(
  from: Provider,
  to: Store,
  root: Descriptor,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { signal, lease } = options;
  const timeoutMs = timeoutOf(options);
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  const late = (): void =>
    stop.abort(new DeadlineExceededError(`Copying ${root.digest} took longer than ${timeoutMs} ms`));
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted === true) abort();
  if (timeoutMs !== undefined && timeoutMs <= 0) late();
  try {
    return await new Copying(from, to, options, stop, lease).run(root);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** One copy under way. */
class Copying {
  readonly #from: Provider;
  readonly #to: Store;
  readonly #options: CopyOptions;
  readonly #stop: AbortController;
  readonly #reading: CallOptions;
  readonly #writing: CallOptions;
  readonly #progress: CopyCounter;
  /** By digest, which are meant: what is a document in one place may be plain bytes in another. */
  readonly #documents = new Map<string, Descriptor>();
  readonly #plain = new Map<string, Descriptor>();
  readonly #placed = new Set<string>();

  constructor(from: Provider, to: Store, options: CopyOptions, stop: AbortController, lease: CallOptions["lease"]) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#stop = stop;
    this.#reading = { signal: stop.signal };
    this.#writing = { signal: stop.signal, lease };
    this.#progress = new CopyCounter(options.onProgress);
  }

  async run(root: Descriptor): Promise<CopyResult> {
    this.#stop.signal.throwIfAborted();
    await this.#plan(root);
    const { concurrency = 4 } = this.#options;
    const rest = this.#plain.values();
    const worker = async (): Promise<void> => {
      for (const target of rest) {
        try {
          await this.#copy(target, []);
        } catch (reason) {
          // The first failure ends the others, and is the one that is told.
          this.#stop.abort(reason);
        }
        if (this.#stop.signal.aborted) return;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    this.#stop.signal.throwIfAborted();
    for (const document of this.#documents.values()) await this.#place(document);
    return this.#progress.result;
  }

  async #plan(root: Descriptor): Promise<void> {
    const { skip = () => false } = this.#options;
    const leftOut = new WeakSet<Node>();
    const asked = new WeakSet<Node>();
    const isLeftOut = (node: Node): boolean => {
      if (!asked.has(node) && skip(node)) leftOut.add(node);
      asked.add(node);
      return leftOut.has(node);
    };
    const parents = new Set<string>();
    const { platform, manifestLimit, skipMissing, subjects, concurrency } = this.#options;
    const choice = { platform, manifestLimit, skipMissing, subjects, concurrency };
    for await (const node of walk(this.#from, root, { ...choice, ...this.#reading, skip: isLeftOut })) {
      if (node.parent !== undefined) parents.add(node.parent.digest);
      if (isLeftOut(node)) continue;
      const { descriptor } = node;
      (isDocument(descriptor) ? this.#documents : this.#plain).set(descriptor.digest, descriptor);
      this.#progress.expect(descriptor);
    }
    if (platform === undefined) return;
    for (const one of this.#documents.values()) if (!parents.has(one.digest)) await this.#requireChoice(one);
  }

  /** An index of which nothing was chosen is nobody's wish. */
  async #requireChoice(document: Descriptor): Promise<void> {
    if (!isIndexType(document.mediaType)) return;
    const all = await this.#childrenOf(document);
    if (all === undefined || all.length === 0 || all.some(({ digest }) => this.#isMeant(digest))) return;
    throw new NotFoundError(`Cannot copy ${document.digest}: it has nothing for the platform`);
  }

  async #place(document: Descriptor): Promise<void> {
    if (this.#placed.has(document.digest)) return;
    this.#placed.add(document.digest);
    const below = await this.#childrenOf(document);
    if (below === undefined) return;
    for (const { digest } of below) {
      const child = this.#documents.get(digest);
      if (child !== undefined) await this.#place(child);
    }
    await this.#copy(document, below);
  }

  async #copy(target: Descriptor, below: readonly Descriptor[]): Promise<void> {
    // A label's number is its child's place, so that children that come another time have theirs.
    const labels = Object.entries(gcLabels(below)).filter(([, digest]) => this.#isMeant(digest));
    const moved = await copyBlob(this.#from, this.#to, target, {
      labels: Object.fromEntries(labels),
      reading: this.#reading,
      writing: this.#writing,
      onOffset: (offset) => this.#progress.moved(target, offset),
    });
    this.#progress.done(target, moved);
  }

  /** Undefined when the document is missing and may be. */
  async #childrenOf(document: Descriptor): Promise<readonly Descriptor[] | undefined> {
    try {
      const { children, subject } = linksOf(await readDocument(this.#from, document, this.#reading), document);
      return this.#options.subjects === true && subject !== undefined ? [...children, subject] : children;
    } catch (reason) {
      if (this.#options.skipMissing === true && isNotFound(reason)) return undefined;
      throw reason;
    }
  }

  #isMeant(digest: string): boolean {
    return this.#documents.has(digest) || this.#plain.has(digest);
  }
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}
