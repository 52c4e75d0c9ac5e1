import type { CallOptions } from "../call-options.js";
import type { NamedTarget } from "../content/archive/image-name.js";
import { selectBlobs } from "../content/archive/selection.js";
import { copy } from "../content/copy.js";
import type { CopyProgress } from "../content/copy-progress.js";
import { withDeadline } from "../content/deadline.js";
import { type AnyProvider, labelsWhenPresent } from "../content/presence.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Image } from "./image.js";
import { type RegisterImagesOptions, registerImages } from "./image-import.js";
import {
  type ImageOrigin,
  type ImageSelection,
  type Travelling,
  wantedPlatforms,
  withBaseImages,
} from "./image-travel.js";
import type { Services } from "./services.js";
import { holdContent, type LeasedWork, underLease } from "./under-lease.js";

/**
 * How images are copied.
 *
 * @inline
 */
export interface CopyImagesOptions extends ImageSelection, RegisterImagesOptions, CallOptions {
  /** Told whenever bytes came, and when a blob is there; of each image anew. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}

/** Copies images from another daemon: all of them, or nothing. */
export function copyImages(
  services: Services,
  origin: ImageOrigin,
  refs: readonly string[],
  options: CopyImagesOptions,
): Promise<readonly Image[]> {
  return copying(options, services, async (leased) => {
    const { signal } = leased.call;
    const images: Image[] = [];
    for (const ref of new Set(refs)) images.push(await origin.images.get(ref, { signal }));
    await using hold = await holdContent(origin, "copy", { signal });
    for (const { target } of images) await hold.keep(target.digest);
    const travelling = await withBaseImages(origin, images, options.baseImage, { signal });
    for (const { target } of travelling.images) await hold.keep(target.digest);
    return await copyAll(services, origin.content, travelling, options, leased);
  });
}

/** Copies images from any provider: all of them, or nothing. */
export function copyTargets(
  services: Services,
  provider: AnyProvider,
  images: readonly NamedTarget[],
  options: CopyImagesOptions,
): Promise<readonly Image[]> {
  return copying(options, services, async (leased) => {
    const { signal } = leased.call;
    const travelling = await withBaseImages({ content: provider }, images, options.baseImage, { signal });
    return copyAll(services, provider, travelling, options, leased);
  });
}

function copying(
  { signal, timeoutMs, lease }: CallOptions,
  services: Services,
  work: (leased: LeasedWork) => Promise<readonly Image[]>,
): Promise<readonly Image[]> {
  return withDeadline("The copy", { signal, timeoutMs, lease }, (bounded) =>
    underLease(services, "copy", bounded, work),
  );
}

async function copyAll(
  services: Services,
  provider: AnyProvider,
  { images, skip: stays }: Travelling,
  options: CopyImagesOptions,
  leased: LeasedWork,
): Promise<readonly Image[]> {
  const { skipMissing, skipNonDistributable, skip } = options;
  const { signal } = leased.call;
  const platforms = await wantedPlatforms(services, options.platforms, leased.call);
  const selection = {
    platforms,
    skipMissing,
    skipNonDistributable,
    skip: (node: Parameters<typeof stays>[0]) => stays(node) || skip?.(node) === true,
  };
  const isThere = async (descriptor: Descriptor): Promise<boolean> =>
    (await labelsWhenPresent(provider, descriptor, { signal })) !== undefined;
  for (const { target } of images) {
    const selected = await selectBlobs(provider, [target], selection, isThere, { signal });
    const meant = new Set(selected.map(({ descriptor }) => descriptor.digest));
    await copy(provider, services.content, target, {
      ...leased.call,
      skip: ({ descriptor }) => !meant.has(descriptor.digest),
      onProgress: options.onProgress,
    });
  }
  return registerImages(services, images, options, leased);
}
