import { type Descriptor, descriptorStruct, type Labels, parseDescriptor, withoutNulls } from "./descriptor.js";
import { type DocumentOptions, parseDescriptors, parseDocument } from "./document.js";
import { type GoStruct, writeGoJson } from "./go-json.js";
import { fieldOf, optionalString, optionalStringMap, refusalOfLookalikes } from "./json.js";
import { isManifestType } from "./media-types.js";

/**
 * What an image for one machine is made of.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export interface Manifest {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** The type of this document. */
  readonly mediaType?: string;
  /** What kind of artifact this is, when it is not an image. */
  readonly artifactType?: string;
  /** How to run it. */
  readonly config: Descriptor;
  /** Its filesystem, lowest layer first. */
  readonly layers: readonly Descriptor[];
  /** What this is about, when it says something about other content. */
  readonly subject?: Descriptor;
  /** Facts about the whole. */
  readonly annotations?: Labels;
}

const manifestStruct: GoStruct = {
  schemaVersion: { omitEmpty: false },
  mediaType: { omitEmpty: true },
  artifactType: { omitEmpty: true },
  config: { omitEmpty: false, struct: descriptorStruct },
  layers: { omitEmpty: false, struct: descriptorStruct },
  subject: { omitEmpty: true, struct: descriptorStruct },
  annotations: { omitEmpty: true },
};

const refuseLookalikes = refusalOfLookalikes(Object.keys(manifestStruct));

/**
 * Parses a manifest, OCI's or Docker's schema 2; fields it does not know stay.
 *
 * @throws {ResourceExhaustedError} when it is larger than `maxSize`.
 * @throws {InvalidArgumentError} when it is not a manifest, or could also be taken for an index.
 * @example
 * ```ts
 * const manifest = parseManifest(bytes, { mediaType: descriptor.mediaType });
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export function parseManifest(source: Uint8Array | string, options: DocumentOptions = {}): Manifest {
  const document = parseDocument(source, "manifest", refuseLookalikes, isManifestType, options);
  const subject = fieldOf(document, "subject");
  return withoutNulls({
    ...document,
    mediaType: optionalString(document, "mediaType", "manifest"),
    artifactType: optionalString(document, "artifactType", "manifest"),
    config: parseDescriptor(fieldOf(document, "config")),
    layers: parseDescriptors(document, "layers", "manifest"),
    subject: subject === undefined ? undefined : parseDescriptor(subject),
    annotations: optionalStringMap(document, "annotations", "manifest"),
  }) as unknown as Manifest;
}

/**
 * Writes a manifest as Go does, byte for byte, so that the same manifest has the same digest everywhere.
 *
 * @example
 * ```ts
 * const bytes = encodeManifest({ schemaVersion: 2, config, layers: [layer] });
 * ```
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(writeGoJson(manifest, manifestStruct));
}
