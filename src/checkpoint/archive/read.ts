import type { TarEntry } from "../../tar/tar.js";
import { ArchivedImage, isOfImage } from "./archived-image.js";
import { readCheckpointParts } from "./checkpoint-parts.js";
import { archiveEntries } from "./entries.js";
import { type ArchiveLimits, limitsOf, type WholeLimits } from "./limits.js";
import { NameBudget } from "./name-budget.js";
import type { ArchiveEntry, ArchivePart } from "./part.js";
import { PartReader, repeatable } from "./part-reader.js";

/** An archive's bytes; or what opens them, again where an image in it must be read more than once. */
export type ArchiveSource = AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);

/** How an archive is read. */
export interface ReadArchiveOptions extends ArchiveLimits {
  /** Which image of an OCI archive is meant, by its name or tag; needed where there are several. */
  readonly image?: string | undefined;
  /** Ends the reading, also of a source that gives nothing any more. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a checkpoint archive of Podman, CRI-O, containerd's CRI or the kubelet, a directory of Docker's that was packed, or the OCI
 * archive of an image made of one, and yields its parts in their order. It may be packed with gzip or zstd; what it is shows in its
 * bytes. Nothing is believed: only files and directories are taken, names that lead straight down, each once, and no more of anything
 * than the limits say. A body that is not read is skipped.
 *
 * An OCI archive says at its end what is in it. Small ones are held in memory until then; for one that is larger than
 * `maxHeldBytes` give a function that opens it again.
 *
 * @example
 * ```ts
 * for await (const part of readArchive(createReadStream("checkpoint.tar"))) {
 *   if (part.kind === "spec") console.log(part.document["annotations"]);
 * }
 * ```
 * @throws {InvalidArgumentError} when a member must not be there, comes twice, or is not what its name says
 * @throws {DataLossError} when it is no archive, damaged, cut off, or two readers would see two archives in it
 * @throws {ResourceExhaustedError} when a limit is passed
 * @throws {NotImplementedError} when the name of something in it is not UTF-8
 * @throws {NotFoundError} when it has no image of that name
 */
export async function* readArchive(
  source: ArchiveSource,
  options: ReadArchiveOptions = {},
): AsyncGenerator<ArchivePart, void, undefined> {
  const limits = limitsOf(options);
  const entries = archiveEntries(open(source), limits, options.signal);
  const { begun, isImage } = await begin(entries);
  const all = beginningWith(begun, entries);
  if (!isImage) {
    yield* readArchiveEntries(all, options);
    return;
  }
  const again = typeof source === "function" ? () => archiveEntries(source(), limits, options.signal) : undefined;
  const archived = await ArchivedImage.of(all, again, limits);
  yield* readCheckpointParts(archived, archived.target(options.image), options);
}

/**
 * Reads the parts of a checkpoint whose files come from elsewhere, such as one of Docker's directories. Names are relative to
 * where that begins.
 *
 * @example
 * ```ts
 * async function* files(directory: string) {
 *   for (const name of await readdir(directory)) {
 *     const { size, mode, mtime: modifiedAt } = await stat(join(directory, name));
 *     yield { name, type: "file", size, mode, modifiedAt, body: createReadStream(join(directory, name)) };
 *   }
 * }
 * for await (const part of readArchiveEntries(files("checkpoints/c1"))) console.log(part.kind, part.name);
 * ```
 * @throws {InvalidArgumentError} when a member must not be there, comes twice, or is not what its name says
 * @throws {ResourceExhaustedError} when a limit is passed
 */
export async function* readArchiveEntries(
  entries: AsyncIterable<ArchiveEntry>,
  options: ArchiveLimits = {},
): AsyncGenerator<ArchivePart, void, undefined> {
  const limits: WholeLimits = limitsOf(options);
  const reader = new PartReader(limits);
  const names = new NameBudget(limits);
  for await (const entry of entries) {
    names.take(entry);
    yield await reader.part(entry);
  }
}

function open(source: ArchiveSource): AsyncIterable<Uint8Array> {
  return typeof source === "function" ? source() : source;
}

/** Reads as far as it takes to know what it is. */
async function begin(entries: AsyncGenerator<TarEntry, void, undefined>) {
  const begun: TarEntry[] = [];
  for (;;) {
    const next = await entries.next();
    if (next.done) return { begun, isImage: false };
    const { value: entry } = next;
    const isDirectory = entry.type === "directory";
    // Directories may be in any archive, and there may be many.
    begun.push(isDirectory ? { ...entry, body: repeatable(new Uint8Array()) } : entry);
    const isImage = isOfImage(entry);
    if (isImage || !isDirectory) return { begun, isImage };
  }
}

async function* beginningWith(
  begun: readonly TarEntry[],
  rest: AsyncGenerator<TarEntry, void, undefined>,
): AsyncGenerator<TarEntry, void, undefined> {
  try {
    yield* begun;
    yield* rest;
  } finally {
    await rest.return();
  }
}
