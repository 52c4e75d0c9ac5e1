import type { CallOptions } from "../call-options.js";
import { type ExportArchiveOptions, exportArchive } from "../content/archive/export.js";
import { writeArchiveFile } from "./archive-file.js";
import type { Image } from "./image.js";
import { type ImageSelection, wantedPlatforms, withBaseImages } from "./image-travel.js";
import { partialPath } from "./partial-file.js";
import type { Services } from "./services.js";
import { type ContentHold, holdContent } from "./under-lease.js";

/**
 * How images are exported.
 *
 * @inline
 */
export interface ExportImagesOptions
  extends ImageSelection,
    Pick<ExportArchiveOptions, "dockerManifest" | "onProgress">,
    CallOptions {}

/** Exports images of one namespace; a lease keeps their content meanwhile. */
export async function* exportImages(
  services: Services,
  refs: readonly string[],
  options: ExportImagesOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using hold = await holdContent(services, "export", options);
  yield* exportHeld(services, hold, refs, options);
}

/** The same into a file. The lease names what is written until it is whole, and lasts until it has its own name. */
export async function exportImagesToFile(
  services: Services,
  path: string,
  refs: readonly string[],
  options: ExportImagesOptions,
): Promise<void> {
  const partial = partialPath(path);
  await using hold = await holdContent(services, "export", options, partial);
  await writeArchiveFile(path, partial, exportHeld(services, hold, refs, options));
}

async function* exportHeld(
  services: Services,
  hold: ContentHold,
  refs: readonly string[],
  options: ExportImagesOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { platforms, baseImage, dockerManifest, onProgress, ...rest } = options;
  const { skipMissing, skipNonDistributable, skip, ...call } = rest;
  const images: Image[] = [];
  for (const ref of new Set(refs)) images.push(await services.images.get(ref, call));
  for (const { target } of images) await hold.keep(target.digest);
  const travelling = await withBaseImages(services, images, baseImage, call);
  for (const { target } of travelling.images) await hold.keep(target.digest);
  yield* exportArchive(services.content, travelling.images, {
    platforms: await wantedPlatforms(services, platforms, call),
    skipMissing,
    skipNonDistributable,
    skip: (node) => travelling.skip(node) || skip?.(node) === true,
    dockerManifest,
    onProgress,
    ...call,
  });
}
