import { type Descriptor, descriptorStruct, type Labels, parseDescriptor, withoutNulls } from "./descriptor.js";
import { type DocumentOptions, parseDescriptors, parseDocument } from "./document.js";
import { type GoStruct, writeGoJson } from "./go-json.js";
import { fieldOf, optionalString, optionalStringMap, refusalOfLookalikes } from "./json.js";
import { isIndexType } from "./media-types.js";

/**
 * A list of descriptors: the manifests of an image for several machines, or the parts of a checkpoint.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 */
export interface Index {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** The type of this document; containerd's checkpoints carry none. */
  readonly mediaType?: string;
  /** What kind of artifact this is, when it is not an image. */
  readonly artifactType?: string;
  /** What is in the list, in order. */
  readonly manifests: readonly Descriptor[];
  /** What this is about, when it says something about other content. */
  readonly subject?: Descriptor;
  /** Facts about the whole. */
  readonly annotations?: Labels;
}

const indexStruct: GoStruct = {
  schemaVersion: { omitEmpty: false },
  mediaType: { omitEmpty: true },
  artifactType: { omitEmpty: true },
  manifests: { omitEmpty: false, struct: descriptorStruct },
  subject: { omitEmpty: true, struct: descriptorStruct },
  annotations: { omitEmpty: true },
};

const refuseLookalikes = refusalOfLookalikes(Object.keys(indexStruct));

/**
 * Parses an index, OCI's or Docker's; fields it does not know stay.
 *
 * @throws {ResourceExhaustedError} when it is larger than `maxSize`.
 * @throws {InvalidArgumentError} when it is not an index, or could also be taken for a manifest.
 * @example
 * ```ts
 * const index = parseIndex(bytes, { mediaType: descriptor.mediaType });
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 */
export function parseIndex(source: Uint8Array | string, options: DocumentOptions = {}): Index {
  const document = parseDocument(source, "index", refuseLookalikes, isIndexType, options);
  const subject = fieldOf(document, "subject");
  return withoutNulls({
    ...document,
    mediaType: optionalString(document, "mediaType", "index"),
    artifactType: optionalString(document, "artifactType", "index"),
    manifests: parseDescriptors(document, "manifests", "index"),
    subject: subject === undefined ? undefined : parseDescriptor(subject),
    annotations: optionalStringMap(document, "annotations", "index"),
  }) as unknown as Index;
}

/**
 * Writes an index as Go does, byte for byte, so that the same index has the same digest everywhere.
 *
 * @example
 * ```ts
 * const digest = digestOf(encodeIndex({ schemaVersion: 2, manifests: [] }));
 * ```
 */
export function encodeIndex(index: Index): Uint8Array {
  return new TextEncoder().encode(writeGoJson(index, indexStruct));
}
