import type { CallOptions } from "../call-options.js";
import type { ArchiveSource } from "../checkpoint/archive/read.js";
import {
  type ImportArchiveOptions,
  type ImportedCheckpoint,
  importArchive,
} from "../checkpoint/convert/import-archive.js";
import type { CheckpointImage } from "../checkpoint/description.js";
import { withDeadline } from "../content/deadline.js";
import { readFileChunks } from "./archive-file.js";
import { imageOfConfig } from "./base-image.js";
import { type RegisterImagesOptions, registerImages } from "./image-import.js";
import type { Services } from "./services.js";
import { underLease } from "./under-lease.js";

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
