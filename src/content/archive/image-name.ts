import { InvalidArgumentError, isInvalidArgument } from "../../errors.js";
import { ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME } from "../../oci/annotations.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { formatReference, normalizeReference, parseReference } from "../../oci/reference.js";

/** An image in an archive: what it points at, and what it is called. */
export interface ArchiveImage {
  /** What it points at: an index or a manifest. */
  readonly target: Descriptor;
  /** Its whole name, when it has one. */
  readonly name?: string | undefined;
  /** Its tag alone, or whatever else the archive calls it, when the whole name is not known. */
  readonly refName?: string | undefined;
}

const MOST_NAME_CHARACTERS = 512;
// What an annotation may hold according to the image specification.
const refNameGrammar =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

/** The descriptor that stands for an image in an archive's index. */
export function namedDescriptor({ name, target }: ArchiveImage): Descriptor {
  if (name === undefined) return target;
  const refName = refNameOf(checkName(name));
  const annotations = {
    ...target.annotations,
    [ANNOTATION_IMAGE_NAME]: name,
    ...(refName === undefined ? {} : { [ANNOTATION_REF_NAME]: refName }),
  };
  return { ...target, annotations };
}

/**
 * The image that a descriptor in an archive's index stands for.
 *
 * @throws {InvalidArgumentError} when its name cannot be one
 */
export function imageOf(descriptor: Descriptor): ArchiveImage {
  const { annotations = {}, platform: _, ...rest } = descriptor;
  const { [ANNOTATION_IMAGE_NAME]: name, [ANNOTATION_REF_NAME]: refName, ...others } = annotations;
  const target = Object.keys(others).length > 0 ? { ...rest, annotations: others } : rest;
  return {
    target,
    ...(name === undefined ? {} : { name: checkName(name) }),
    ...(refName === undefined ? {} : { refName: checkName(refName) }),
  };
}

/**
 * An image by its name and what that stands for, wherever it is.
 *
 * @inline
 */
export interface NamedTarget {
  /** The name. */
  readonly name: string;
  /** What it stands for: an index or a manifest. */
  readonly target: Descriptor;
}

/** How images get their names. */
export interface ImageNaming {
  /** The name of the one image that is there, whatever the archive calls it. */
  readonly name?: string | undefined;
  /** What comes before `:tag` or `@digest` where the archive has no whole name, such as `docker.io/library/redis`. */
  readonly prefix?: string | undefined;
}

/**
 * Says what the images shall be called: as the naming says, else by their whole names, else by prefix and tag, else by prefix
 * and digest.
 *
 * @throws {InvalidArgumentError} when one has no name, or two have the same
 */
export function nameImages(
  images: readonly ArchiveImage[],
  { name: given, prefix }: ImageNaming = {},
): readonly NamedTarget[] {
  if (given !== undefined && images.length !== 1) {
    throw new InvalidArgumentError(
      `Cannot call the archive's image ${JSON.stringify(given)}: there are ${images.length} images`,
    );
  }
  const named = new Map<string, NamedTarget>();
  for (const image of images) {
    const name = checkName(given ?? image.name ?? nameFrom(image, prefix));
    const same = named.get(name);
    if (same !== undefined && same.target.digest !== image.target.digest) {
      throw new InvalidArgumentError(
        `Cannot call both ${same.target.digest} and ${image.target.digest} ${JSON.stringify(name)}`,
      );
    }
    named.set(name, { name, target: image.target });
  }
  return [...named.values()];
}

/** What is more than a tag is a name of its own. */
function nameFrom({ refName, target }: ArchiveImage, prefix: string | undefined): string | undefined {
  if (refName !== undefined && !/^\w[\w.-]{0,127}$/.test(refName)) return refName;
  if (prefix === undefined) return undefined;
  return refName === undefined ? `${prefix}@${target.digest}` : `${prefix}:${refName}`;
}

/** Names come from archives nobody vouches for: they end up in records, logs and on terminals. */
function checkName(name: string | undefined): string {
  if (name === undefined) {
    throw new InvalidArgumentError("Cannot import an image without a name", {
      hint: "The archive has no whole name for it: give it one, or a prefix.",
    });
  }
  if (!/^[\x21-\x7e]+$/.test(name) || name.length > MOST_NAME_CHARACTERS) {
    throw new InvalidArgumentError(
      `Cannot call an image ${JSON.stringify(name.slice(0, 80))}: expected 1 to ${MOST_NAME_CHARACTERS} printable characters without spaces`,
    );
  }
  return name;
}

/** The tag or, where there is none, the digest; undefined when what there is cannot stand in the annotation. */
function refNameOf(name: string): string | undefined {
  const reference = parsed(name);
  const refName = reference === undefined ? name : (reference.tag ?? reference.digest ?? name);
  return refNameGrammar.test(refName) ? refName : undefined;
}

/** The name as `docker load` takes it; undefined when it is no name with a tag. */
export function dockerTag(name: string): string | undefined {
  const reference = parsed(name);
  if (reference?.tag === undefined) return undefined;
  const { domain, repository, tag } = reference;
  return formatReference({ domain, repository, tag });
}

/** The whole name for a tag of a docker archive. */
export function nameOfDockerTag(tag: string): string {
  return checkName(normalizeReference(tag));
}

function parsed(name: string): ReturnType<typeof parseReference> | undefined {
  try {
    return parseReference(name);
  } catch (reason) {
    if (isInvalidArgument(reason)) return undefined;
    throw reason;
  }
}
