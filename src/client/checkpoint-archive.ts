import type { CallOptions } from "../call-options.js";
import type { ArchiveSource } from "../checkpoint/archive/read.js";
import { type ExportArchiveOptions, exportArchive } from "../checkpoint/convert/export-archive.js";
import {
  type ImportArchiveOptions,
  type ImportedCheckpoint,
  importArchive,
} from "../checkpoint/convert/import-archive.js";
import type { CheckpointImage } from "../checkpoint/description.js";
import type { Checkpoint } from "../checkpoint/document.js";
import { withDeadline } from "../content/deadline.js";
import type { Descriptor } from "../oci/descriptor.js";
import { readFileChunks, writeArchiveFile } from "./archive-file.js";
import { imageOfConfig, imageOnChain } from "./base-image.js";
import { type CheckpointSource, resolveCheckpoint } from "./checkpoint-source.js";
import { type RegisterImagesOptions, registerImages } from "./image-import.js";
import { partialPath } from "./partial-file.js";
import type { Services } from "./services.js";
import { holdContent, underLease } from "./under-lease.js";

/**
 * How a checkpoint archive is imported and registered.
 *
 * @inline
 */
export interface ImportCheckpointOptions extends ImportArchiveOptions, RegisterImagesOptions {}

/** Imports a checkpoint archive into a namespace and registers it as an image: all of it, or nothing. */
export async function importCheckpoint(
  services: Services,
  ref: string,
  archive: ArchiveSource | string,
  options: ImportCheckpointOptions,
): Promise<ImportedCheckpoint> {
  const { signal, timeoutMs, lease, overwrite, labels, ...how } = options;
  const source = typeof archive === "string" ? () => readFileChunks(archive) : archive;
  return withDeadline("The import", { signal, timeoutMs, lease }, (bounded) =>
    underLease(services, "import", bounded, async (leased) => {
      const baseImage = how.baseImage ?? ((image) => knownImage(services, image, leased.call));
      const checkpoint = await importArchive(source, services.content, { ...how, baseImage, ...leased.call });
      await registerImages(services, [{ name: ref, target: checkpoint.target }], { overwrite, labels }, leased);
      return { ...checkpoint, ref };
    }),
  );
}

/**
 * How a checkpoint is exported as an archive.
 *
 * @inline
 */
export interface ExportCheckpointOptions extends ExportArchiveOptions {
  /** Where the file is to appear. */
  readonly to: string;
}

/** Writes an archive of a checkpoint; the daemon's base image tells what only that can. */
export async function exportCheckpoint(
  services: Services,
  source: CheckpointSource,
  { to, ...options }: ExportCheckpointOptions,
): Promise<void> {
  const { signal, timeoutMs, lease } = options;
  return withDeadline("The export", { signal, timeoutMs, lease }, async (call) => {
    const checkpoint = await resolveCheckpoint(services, source, call);
    const partial = partialPath(to);
    await using hold = await holdContent(services, "export", call, partial);
    await hold.keep(checkpoint.target.digest);
    const baseImage = options.baseImage ?? (await baseImageOf(services, checkpoint, call));
    if (baseImage !== undefined) await hold.keep(baseImage.digest);
    await writeArchiveFile(
      to,
      partial,
      exportArchive(checkpoint, services.content, { ...options, ...call, baseImage }),
    );
  });
}

/** The manifest of the image a checkpoint was made on, where the daemon has it. */
async function baseImageOf(
  services: Services,
  { image: { descriptor, digest, chainId, configDigest, name } }: Checkpoint,
  call: CallOptions,
): Promise<Descriptor | undefined> {
  let target = descriptor;
  if (target === undefined && digest !== undefined) {
    for await (const image of services.images.list([`target.digest==${digest}`], call)) target ??= image.target;
  }
  if (target === undefined && configDigest !== undefined) {
    target = (await imageOfConfig(services, configDigest, name, call))?.target;
  }
  if (target === undefined || chainId === undefined) return target;
  return (await imageOnChain(services.content, target, chainId, call))?.manifest;
}

/** What the daemon knows of a base image that an archive names by its config: its digest and its layers. */
async function knownImage(
  services: Services,
  { configDigest, name }: CheckpointImage,
  call: CallOptions,
): Promise<CheckpointImage | undefined> {
  if (configDigest === undefined) return undefined;
  const found = await imageOfConfig(services, configDigest, name, call);
  return found && { digest: found.target.digest, chainId: found.chainId };
}
