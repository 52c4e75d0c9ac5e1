import { InvalidArgumentError, ResourceExhaustedError } from "../errors.js";
import { checkDepth, checkKeys } from "./json-structure.js";

/** A JSON object as it was read: nothing about its fields is known. */
export type JsonObject = { readonly [key: string]: unknown };

/** Largest document that is parsed unless the caller says otherwise: 4 MiB, in bytes. */
export const MAX_DOCUMENT_SIZE: number = 4 * 1024 * 1024;

/**
 * Parses one JSON object; integers a double cannot hold come out as bigint.
 *
 * @throws {ResourceExhaustedError} when it is larger than `maxSize`; then nothing was parsed.
 * @throws {InvalidArgumentError} when it is not UTF-8, not JSON or not an object.
 */
export function parseJsonObject(
  source: Uint8Array | string,
  what: string,
  maxSize: number = MAX_DOCUMENT_SIZE,
): JsonObject {
  return expectObject(parseJsonValue(source, what, maxSize), what);
}

/**
 * Parses JSON of any kind; integers a double cannot hold come out as bigint.
 *
 * @throws {ResourceExhaustedError} when it is larger than `maxSize`; then nothing was parsed.
 * @throws {InvalidArgumentError} when it is not UTF-8 or not JSON.
 */
export function parseJsonValue(
  source: Uint8Array | string,
  what: string,
  maxSize: number = MAX_DOCUMENT_SIZE,
): unknown {
  const size = typeof source === "string" ? Buffer.byteLength(source) : source.byteLength;
  if (size > maxSize) {
    throw new ResourceExhaustedError(`Cannot parse ${what}: expected at most ${maxSize} bytes, got ${size}`);
  }
  return parseJson(textOf(source, what), what);
}

/**
 * Takes `value` for a JSON object.
 *
 * @throws {InvalidArgumentError} when it is anything else.
 */
export function expectObject(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`Cannot parse ${what}: expected a JSON object, got ${kindOf(value)}`);
  }
  return value as JsonObject;
}

/**
 * Takes a field for a string, or for absent when it is missing or null.
 *
 * @throws {InvalidArgumentError} when it is anything else.
 */
export function optionalString(from: JsonObject, field: string, what: string): string | undefined {
  const value = fieldOf(from, field);
  if (value !== undefined && typeof value !== "string") throw unexpected(what, field, "a string", value);
  return value;
}

/**
 * Takes a field for a list, or for absent when it is missing or null, as Go writes an empty one.
 *
 * @throws {InvalidArgumentError} when it is anything else.
 */
export function optionalArray(from: JsonObject, field: string, what: string): readonly unknown[] | undefined {
  const value = fieldOf(from, field);
  if (value !== undefined && !Array.isArray(value)) throw unexpected(what, field, "a list", value);
  return value;
}

/**
 * Takes a field for a list of strings, or for absent when it is missing or null.
 *
 * @throws {InvalidArgumentError} when it is anything else.
 */
export function optionalStrings(from: JsonObject, field: string, what: string): readonly string[] | undefined {
  const list = optionalArray(from, field, what);
  for (const item of list ?? []) {
    if (typeof item !== "string") throw unexpected(what, field, "a list of strings", item);
  }
  return list as readonly string[] | undefined;
}

/**
 * Takes a field for a map of strings, or for absent when it is missing or null.
 *
 * @throws {InvalidArgumentError} when it is anything else.
 */
export function optionalStringMap(
  from: JsonObject,
  field: string,
  what: string,
): Readonly<Record<string, string>> | undefined {
  const value = fieldOf(from, field);
  if (value === undefined) return undefined;
  const map = expectObject(value, `${field} of ${what}`);
  for (const [key, item] of Object.entries(map)) {
    if (typeof item !== "string") throw unexpected(what, `${field}[${JSON.stringify(key)}]`, "a string", item);
  }
  return map as Readonly<Record<string, string>>;
}

/** The value of a field of the document itself; null counts as absent, as it does for Go. */
export function fieldOf(from: JsonObject, field: string): unknown {
  // Object.hasOwn, because a document without the field must not answer with something of Object.prototype.
  return Object.hasOwn(from, field) ? (from[field] ?? undefined) : undefined;
}

/**
 * Makes a check that refuses fields Go would take for a known one in other letters: it would read a document otherwise than it
 * looks here.
 *
 * @see https://pkg.go.dev/encoding/json@go1.24.0#Unmarshal
 */
export function refusalOfLookalikes(fields: Iterable<string>): (from: JsonObject, what: string) => void {
  const known = new Map([...fields].map((field) => [folded(field), field]));
  const names = new Set(known.values());
  return (from, what) => {
    for (const key of Object.keys(from)) {
      if (names.has(key)) continue;
      const field = known.get(folded(key));
      if (field === undefined) continue;
      throw new InvalidArgumentError(
        `Cannot parse ${what}: it has ${JSON.stringify(key)}, which can be taken for ${JSON.stringify(field)}`,
      );
    }
  };
}

/** A field's name as Go compares it: in any case of letters, of which some beyond ASCII are another case of one within. */
export function folded(field: string): string {
  return field.toUpperCase().toLowerCase();
}

/** The error for a field that is not what it should be. */
export function unexpected(what: string, field: string, expected: string, value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot parse ${what}: expected ${field} to be ${expected}, got ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  const text = typeof value === "bigint" ? value.toString() : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function textOf(source: Uint8Array | string, what: string): string {
  if (typeof source === "string") return source;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source);
  } catch (cause) {
    throw new InvalidArgumentError(`Cannot parse ${what}: expected UTF-8`, { cause });
  }
}

const stringsAndNumbers = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function parseJson(text: string, what: string): unknown {
  checkDepth(text, what);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidArgumentError(`Cannot parse ${what}: ${(cause as Error).message}`, { cause });
  }
  checkKeys(text, what);
  if (!/\d{16}/.test(text)) return value;
  // Limits in a runtime spec reach 2^64-1 ("no limit"), and Go refuses the neighbour a double would write instead.
  const quoted = text.replace(stringsAndNumbers, (token) =>
    /^-?\d{16,20}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
  );
  return quoted === text ? value : restoreIntegers(value, JSON.parse(quoted));
}

/** Puts into `value` the integers that stand as text in `quoted`, the same document otherwise. */
function restoreIntegers(value: unknown, quoted: unknown): unknown {
  if (typeof value === "number") return typeof quoted === "string" ? BigInt(quoted) : value;
  if (typeof value !== "object" || value === null) return value;
  const [into, from] = [value as Record<string, unknown>, quoted as JsonObject];
  for (const key of Object.keys(into)) into[key] = restoreIntegers(into[key], from[key]);
  return value;
}
