import { isContainerdError } from "../../errors.js";
import { type Digest, isDigest } from "../../oci/digest.js";
import { fieldOf, type JsonObject, parseJsonObject } from "../../oci/json.js";

// What engines note beside the dump is shown where it is as expected, and left out where it is not: a checkpoint whose
// metadata is odd can still be looked at.

/** An object in a field; an empty one when it is anything else. */
export function objectIn(from: JsonObject, field: string): JsonObject {
  const value = fieldOf(from, field);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** A text in a field; undefined when it is empty or anything else. */
export function textIn(from: JsonObject, field: string): string | undefined {
  const value = fieldOf(from, field);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** An instant in a field; undefined when it is none, or Go's way to say so. */
export function instantOf(text: string | undefined): Date | undefined {
  const instant = new Date(text ?? Number.NaN);
  return Number.isNaN(instant.getTime()) || instant.getUTCFullYear() <= 1 ? undefined : instant;
}

/** The texts of an object whose fields are texts; the others are left out. */
export function textsOf(from: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => typeof value === "string")) as Readonly<
    Record<string, string>
  >;
}

/** JSON within JSON; an empty object when it is anything else. */
export function jsonIn(from: JsonObject, field: string): JsonObject {
  try {
    return parseJsonObject(textIn(from, field) ?? "{}", field);
  } catch (reason) {
    if (isContainerdError(reason)) return {};
    throw reason;
  }
}

/** A digest, also where it is given as hex digits alone or behind a name; undefined when it is none. */
export function digestIn(text: string | undefined): Digest | undefined {
  if (text === undefined) return undefined;
  const bare = text.slice(text.lastIndexOf("@") + 1);
  const digest = /^[0-9a-f]{64}$/.test(bare) ? `sha256:${bare}` : bare;
  return isDigest(digest) ? digest : undefined;
}
