import { InvalidArgumentError } from "../errors.js";
import { type Descriptor, parseDescriptor } from "./descriptor.js";
import {
  fieldOf,
  folded,
  type JsonObject,
  optionalArray,
  optionalString,
  parseJsonObject,
  unexpected,
} from "./json.js";

/** How to read a manifest or an index. */
export interface DocumentOptions {
  /** Largest document to parse, in bytes; 4 MiB when absent. */
  readonly maxSize?: number | undefined;
  /** The media type of the descriptor that led here; a document that calls itself otherwise is refused. */
  readonly mediaType?: string | undefined;
}

// Go matches field names in any case, so `Layers` beside `manifests` is both kinds to it, and one kind to us.
// See https://github.com/opencontainers/image-spec/security/advisories/GHSA-77vh-xpmg-72qh
const fieldsOfOthers = {
  index: ["config", "layers", "fslayers"],
  manifest: ["manifests", "fslayers"],
} as const;

/**
 * Parses what manifest and index have in common, and refuses a document that can be taken for both.
 *
 * @throws {ResourceExhaustedError} when it is too large.
 * @throws {InvalidArgumentError} when it is not of this kind.
 */
export function parseDocument(
  source: Uint8Array | string,
  kind: "index" | "manifest",
  refuseLookalikes: (document: JsonObject, what: string) => void,
  isType: (mediaType: string) => boolean,
  options: DocumentOptions,
): JsonObject {
  const expected = options.mediaType;
  if (expected !== undefined && !isType(expected)) {
    throw new InvalidArgumentError(`Cannot parse ${kind}: ${JSON.stringify(expected)} is not the type of one`);
  }
  const document = parseJsonObject(source, kind, options.maxSize);
  refuseLookalikes(document, kind);
  const version = fieldOf(document, "schemaVersion");
  if (version !== 2) throw unexpected(kind, "schemaVersion", "2", version);
  const own = optionalString(document, "mediaType", kind);
  if (own !== undefined && own !== "" && !(expected === undefined ? isType(own) : own === expected)) {
    throw new InvalidArgumentError(
      `Cannot parse ${kind}: the document calls itself ${JSON.stringify(own.slice(0, 160))}` +
        (expected === undefined ? "" : `, its descriptor calls it ${JSON.stringify(expected)}`),
    );
  }
  const foreign: readonly string[] = fieldsOfOthers[kind];
  const stray = Object.keys(document).find((key) => foreign.includes(folded(key)));
  if (stray !== undefined) {
    throw new InvalidArgumentError(`Cannot parse ${kind}: it has ${JSON.stringify(stray)}, which makes it ambiguous`);
  }
  return document;
}

/**
 * Parses the list of descriptors in a field; an absent one is empty, as Go writes it.
 *
 * @throws {InvalidArgumentError} when the field or one of the descriptors is malformed.
 */
export function parseDescriptors(from: JsonObject, field: string, what: string): readonly Descriptor[] {
  return (optionalArray(from, field, what) ?? []).map((item) => parseDescriptor(item));
}
