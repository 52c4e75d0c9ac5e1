import type { CallOptions } from "../call-options.js";
import { type Checkpoint, checkpointName, readCheckpoint } from "../checkpoint/document.js";
import type { NamedTarget } from "../content/archive/image-name.js";
import type { Selection } from "../content/archive/selection.js";
import type { Provider, Store } from "../content/store.js";
import type { Node } from "../content/walk.js";
import { isInvalidArgument, NotFoundError } from "../errors.js";
import type { LeaseManager } from "../leases/lease.js";
import { isIndexType, isManifestType } from "../oci/media-types.js";
import type { Platform } from "../oci/platform.js";
import { parseReference } from "../oci/reference.js";
import { daemonPlatform } from "./features.js";
import type { Images } from "./images.js";
import type { Services } from "./services.js";

/**
 * Which parts of images go from one place to another.
 *
 * @inline
 */
export interface ImageSelection extends Omit<Selection, "platforms"> {
  /**
   * Of an index's manifests those for these platforms, which must be there, or all of them. What says no platform, and the parts
   * of a checkpoint, are taken in any case. Default: the daemon's own.
   */
  readonly platforms?: readonly Platform[] | "all" | undefined;
  /**
   * Whether the base image of a checkpoint goes with it. Default: where it is part of the checkpoint or, by its digest, at its origin.
   */
  readonly baseImage?: boolean | undefined;
}

/**
 * Where images come from: a client, or what a client is made of.
 *
 * @inline
 */
export interface ImageOrigin {
  /** The namespace. */
  readonly namespace: string;
  /** Its content. */
  readonly content: Store;
  /** Its images. */
  readonly images: Images;
  /** Its leases. */
  readonly leases: LeaseManager;
}

/** The platforms that were meant. */
export async function wantedPlatforms(
  services: Services,
  platforms: ImageSelection["platforms"],
  call: CallOptions,
): Promise<readonly Platform[] | undefined> {
  if (platforms === "all") return undefined;
  return platforms ?? [await daemonPlatform(services, call)];
}

/** A provider that is no daemon's has no images but those that were named. */
interface Origin extends Partial<Pick<ImageOrigin, "namespace" | "images">> {
  readonly content: Provider;
}

/** Images that travel, with what they need at the other end. */
export interface Travelling {
  readonly images: readonly NamedTarget[];
  /** Says what stays. */
  readonly skip: (node: Node) => boolean;
}

/**
 * Adds the base images of checkpoints. One that is not part of the checkpoint gets a name made of its digest, so that it
 * is found by that at the other end, and does not take the place of what its name stands for there.
 */
export async function withBaseImages(
  origin: Origin,
  images: readonly NamedTarget[],
  baseImage: boolean | undefined,
  call: CallOptions,
): Promise<Travelling> {
  const all: NamedTarget[] = images.map(({ name, target }) => ({ name, target }));
  const checkpoints = new Set<string>();
  for (const image of images) {
    const checkpoint = await checkpointOf(origin, image, call);
    if (checkpoint === undefined) continue;
    checkpoints.add(checkpoint.target.digest);
    if (baseImage === false || checkpoint.image.descriptor !== undefined) continue;
    const base = await baseOf(origin, checkpoint, call);
    if (base !== undefined && !all.some(({ name }) => name === base.name)) all.push(base);
    if (base === undefined && baseImage === true) {
      throw new NotFoundError(
        `Cannot find the base image of ${checkpointName(checkpoint)}: ${checkpoint.image.digest ?? "it says no digest"}`,
        { namespace: origin.namespace, hint: "Leave it out, and bring it to the other daemon in another way." },
      );
    }
  }
  const skip = ({ parent, descriptor: { mediaType } }: Node): boolean =>
    baseImage === false &&
    parent !== undefined &&
    checkpoints.has(parent.digest) &&
    (isIndexType(mediaType) || isManifestType(mediaType));
  return { images: all, skip };
}

async function checkpointOf(origin: Origin, image: NamedTarget, call: CallOptions): Promise<Checkpoint | undefined> {
  if (!isIndexType(image.target.mediaType)) return undefined;
  try {
    return { ...(await readCheckpoint(origin.content, image.target, call)), ref: image.name };
  } catch (reason) {
    // An index of another kind.
    if (isInvalidArgument(reason)) return undefined;
    throw reason;
  }
}

async function baseOf(origin: Origin, { image }: Checkpoint, call: CallOptions): Promise<NamedTarget | undefined> {
  if (image.digest === undefined || origin.images === undefined) return undefined;
  for await (const { target } of origin.images.list([`target.digest==${image.digest}`], call)) {
    return { name: `${repositoryOf(image.name)}@${image.digest}`, target };
  }
  return undefined;
}

function repositoryOf(name: string | undefined): string {
  try {
    const { domain, repository } = parseReference(name ?? "");
    return `${domain}/${repository}`;
  } catch (reason) {
    if (isInvalidArgument(reason)) return "base-image";
    throw reason;
  }
}
