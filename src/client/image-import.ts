import { type ImageNaming, type NamedTarget, nameImages } from "../content/archive/image-name.js";
import { type ImportArchiveOptions, importArchive } from "../content/archive/import.js";
import { withDeadline } from "../content/deadline.js";
import { orUndefined } from "../content/found.js";
import { AlreadyExistsError, InvalidArgumentError } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";
import type { Image } from "./image.js";
import { type ImageSelection, wantedPlatforms } from "./image-travel.js";
import type { Services } from "./services.js";
import { type LeasedWork, underLease } from "./under-lease.js";

/**
 * How the records of images that arrive are made.
 *
 * @inline
 */
export interface RegisterImagesOptions {
  /**
   * Points names that are taken at what arrives. Default: they are refused, unless they point there already.
   */
  readonly overwrite?: boolean | undefined;
  /** Labels of the records. */
  readonly labels?: Labels | undefined;
}

/**
 * How an archive is imported.
 *
 * @inline
 */
export interface ImportImagesOptions
  extends Omit<ImportArchiveOptions, "platforms">,
    Pick<ImageSelection, "platforms">,
    ImageNaming,
    RegisterImagesOptions {}

/** Imports an archive into one namespace: all its images, or nothing. */
export async function importImages(
  services: Services,
  archive: AsyncIterable<Uint8Array>,
  options: ImportImagesOptions,
): Promise<readonly Image[]> {
  const { platforms, name, prefix, overwrite, labels, signal, timeoutMs, lease, ...taking } = options;
  if (options.resume === true && lease === undefined) {
    throw new InvalidArgumentError("Cannot resume an import without a lease: nothing would keep what came", {
      hint: "Pass the same lease to each attempt.",
    });
  }
  return withDeadline("The import", { signal, timeoutMs, lease }, (bounded) =>
    underLease(services, "import", bounded, async (leased) => {
      const images = await importArchive(services.content, archive, {
        ...taking,
        platforms: await wantedPlatforms(services, platforms, leased.call),
        ...leased.call,
      });
      return registerImages(services, nameImages(images, { name, prefix }), { overwrite, labels }, leased);
    }),
  );
}

/**
 * Makes the records of images whose content is there; all of them, or none.
 *
 * @throws {AlreadyExistsError} when a name is taken by something else
 */
export async function registerImages(
  services: Services,
  images: readonly NamedTarget[],
  { overwrite = false, labels }: RegisterImagesOptions,
  leased: LeasedWork,
): Promise<readonly Image[]> {
  const before = new Map<string, Image>();
  for (const { name, target } of images) {
    const taken = await orUndefined(services.images.get(name, leased.call));
    if (taken === undefined) continue;
    before.set(name, taken);
    if (overwrite || taken.target.digest === target.digest) continue;
    throw new AlreadyExistsError(
      `Cannot make image ${JSON.stringify(name)}: the name stands for ${taken.target.digest}`,
      {
        namespace: services.namespace,
        hint: "Delete it, give what arrives another name, or allow to overwrite.",
      },
    );
  }
  const made: Image[] = [];
  for (const image of images) made.push(await register(services, image, before.get(image.name), labels, leased));
  return made;
}

async function register(
  services: Services,
  { name, target }: NamedTarget,
  before: Image | undefined,
  labels: Labels | undefined,
  leased: LeasedWork,
): Promise<Image> {
  if (before?.target.digest === target.digest && labels === undefined) return before;
  const added = Object.fromEntries(Object.keys(labels ?? {}).map((key) => [key, null]));
  // The record may have been made although its reply was lost: then the call failed, and the record must not stay.
  // Nothing but the name may have held what it stands for, and it has to stand for it again should this fail.
  if (before !== undefined && before.target.digest !== target.digest)
    await services.leases.addResource(leased.call.lease, { type: "content", id: before.target.digest }, leased.call);
  return leased.make(
    `image ${name}`,
    (call) =>
      before === undefined
        ? services.images.create(name, target, { ...call, labels })
        : services.images.update(name, { target, labels }, call),
    async (call) => {
      if ((await services.images.get(name, call)).target.digest !== target.digest) return;
      if (before === undefined) await services.images.delete(name, { ...call, sync: true });
      else await services.images.update(name, { target: before.target, labels: { ...added, ...before.labels } }, call);
    },
  );
}
