import { InvalidArgumentError } from "../errors.js";
import { type Digest, parseDigest } from "./digest.js";
import type { GoStruct } from "./go-json.js";
import {
  expectObject,
  fieldOf,
  type JsonObject,
  optionalString,
  optionalStringMap,
  optionalStrings,
  refusalOfLookalikes,
  unexpected,
} from "./json.js";
import { type Platform, parsePlatformObject } from "./platform.js";

/** Names with values, as labels and annotations are. */
export type Labels = Readonly<Record<string, string>>;

/**
 * Points at content: what it is, how it is named, how long it is.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export interface Descriptor {
  /** What the content is. */
  readonly mediaType: string;
  /** The content's name. */
  readonly digest: Digest;
  /** The content's length in bytes. */
  readonly size: number;
  /** Where else the content may be had. */
  readonly urls?: readonly string[];
  /** Facts about the content that are not in it. */
  readonly annotations?: Labels;
  /** The content itself, in base64. */
  readonly data?: string;
  /** What machine the content is for. */
  readonly platform?: Platform;
  /** What kind of artifact the manifest behind this describes. */
  readonly artifactType?: string;
}

const platformStruct: GoStruct = {
  architecture: { omitEmpty: false },
  os: { omitEmpty: false },
  "os.version": { omitEmpty: true },
  "os.features": { omitEmpty: true },
  variant: { omitEmpty: true },
};

/** The fields of a descriptor in the order Go writes them. */
export const descriptorStruct: GoStruct = {
  mediaType: { omitEmpty: false },
  digest: { omitEmpty: false },
  size: { omitEmpty: false },
  urls: { omitEmpty: true },
  annotations: { omitEmpty: true },
  data: { omitEmpty: true },
  platform: { omitEmpty: true, struct: platformStruct },
  artifactType: { omitEmpty: true },
};

const refuseLookalikes = refusalOfLookalikes(Object.keys(descriptorStruct));

/**
 * Checks that a JSON value is a descriptor; fields it does not know stay.
 *
 * @throws {InvalidArgumentError} when it is not one.
 * @example
 * ```ts
 * const descriptor = parseDescriptor(JSON.parse(text));
 * ```
 */
export function parseDescriptor(value: unknown): Descriptor {
  const from = expectObject(value, "descriptor");
  refuseLookalikes(from, "descriptor");
  const platform = fieldOf(from, "platform");
  return withoutNulls({
    ...from,
    mediaType: parseMediaType(from),
    digest: parseDescriptorDigest(from),
    size: parseSize(from),
    urls: optionalStrings(from, "urls", "descriptor"),
    annotations: optionalStringMap(from, "annotations", "descriptor"),
    data: optionalString(from, "data", "descriptor"),
    platform: platform === undefined ? undefined : parsePlatformObject(platform),
    artifactType: optionalString(from, "artifactType", "descriptor"),
  }) as unknown as Descriptor;
}

/** Leaves out the fields that have no value, so that an absent field is absent. */
export function withoutNulls(from: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined));
}

function parseMediaType(from: JsonObject): string {
  const mediaType = optionalString(from, "mediaType", "descriptor");
  if (mediaType === undefined || mediaType === "") {
    throw new InvalidArgumentError("Cannot parse descriptor: expected mediaType to be a non-empty string");
  }
  return mediaType;
}

function parseDescriptorDigest(from: JsonObject): Digest {
  const digest = optionalString(from, "digest", "descriptor");
  if (digest === undefined) throw unexpected("descriptor", "digest", "a string", digest);
  return parseDigest(digest);
}

function parseSize(from: JsonObject): number {
  const size = fieldOf(from, "size");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw unexpected("descriptor", "size", "a whole number of bytes from 0 to 2^53-1", size);
  }
  return size;
}
