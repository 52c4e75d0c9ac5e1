import { randomBytes } from "node:crypto";
import type { CallOptions } from "../../call-options.js";
import { decompress } from "../../tar/decompress.js";
import { readTar } from "../../tar/tar.js";
import { withDeadline } from "../deadline.js";
import { toListener } from "../listener.js";
import type { Store } from "../store.js";
import { untilAborted } from "../until-aborted.js";
import { endMarked } from "./end-marker.js";
import type { ArchiveProgress } from "./export.js";
import type { ArchiveImage } from "./image-name.js";
import { Importing } from "./importing.js";
import { Incoming, undone } from "./incoming.js";
import type { Selection } from "./selection.js";

/** What is imported, and how. */
export interface ImportArchiveOptions extends Selection, CallOptions {
  /** Most bytes taken of the unpacked archive. Default: 64 GiB. */
  readonly maxBytes?: number | undefined;
  /**
   * Keeps what came when the import fails, so that another attempt with this option goes on there; at a daemon with the same lease
   * only. Default: no.
   */
  readonly resume?: boolean | undefined;
  /** Takes the archive's index for one image, which has all that is in the archive for its manifests. Default: no. */
  readonly asIndex?: boolean | undefined;
  /** Told after each chunk. */
  readonly onProgress?: ((progress: ArchiveProgress) => void) | undefined;
}

const MOST_MEMBERS = 20_000;

/**
 * Reads an OCI archive, or one of `docker save`, packed with gzip or zstd or not at all, into a store: blobs in any order, each checked
 * against its digest as it comes. Then everything that is meant must be there, and documents get the labels that keep what they
 * refer to. When it fails no ingest is left, and no blob that was not there before, unless `resume` is set or another
 * import needs it; in a `LayoutStore` that others used meanwhile what came stays. A lease, which a daemon's store needs, keeps
 * what came until it ends. `timeoutMs` is that of the whole import.
 *
 * @returns the images, in the archive's order; no names are given to them in the store.
 * @example
 * ```ts
 * const [image] = await importArchive(new MemoryStore(), createReadStream("redis.tar"));
 * ```
 * @throws {DataLossError} when the archive is damaged, cut off or contradicts itself
 * @throws {NotFoundError} when something that is meant is neither in it nor in the store
 * @throws {InvalidArgumentError} when it has members that no image archive has, or a document cannot be parsed
 * @throws {ResourceExhaustedError} when it is larger than `maxBytes`, or a document larger than documents may be
 * @throws {NotImplementedError} when its layout has another version
 */
export async function importArchive(
  store: Store,
  archive: AsyncIterable<Uint8Array>,
  options: ImportArchiveOptions = {},
): Promise<readonly ArchiveImage[]> {
  const { maxBytes, resume = false, onProgress, asIndex = false, ...rest } = options;
  const { platforms, skipMissing, skipNonDistributable, skip, ...call } = rest;
  const tell = toListener(onProgress);
  return withDeadline("The import", call, async (bounded) => {
    const incoming = new Incoming(store, bounded, {
      prefix: resume ? "import-" : `import-${randomBytes(6).toString("hex")}-`,
      isResumed: resume,
      tell: (digest, bytes, size) => tell({ digest, bytes, size }),
    });
    const importing = new Importing(store, incoming, bounded);
    try {
      const tar = endMarked(decompress(untilAborted(archive, bounded.signal)));
      const limits = { maxEntries: MOST_MEMBERS, ...(maxBytes === undefined ? {} : { maxBytes }) };
      for await (const entry of readTar(tar, limits)) await importing.take(entry);
      const images = await importing.images(asIndex);
      const wanted = await importing.keep(images, { platforms, skipMissing, skipNonDistributable, skip });
      await incoming.discard(wanted);
      return images;
    } catch (reason) {
      throw await undone(reason, "blobs of the archive", () => (resume ? incoming.keep() : incoming.discard()));
    }
  });
}
