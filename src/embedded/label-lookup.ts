import type { FieldLookup } from "../content/filter-match.js";
import type { Labels } from "../oci/descriptor.js";

/** Finds a record's fields for filters: those with a name of one part, and `labels.` with whatever follows as one key. */
export function labelLookup(fields: Readonly<Record<string, string>>, labels: Labels): FieldLookup {
  return ([field = "", ...key]) => {
    if (field === "labels") return ownValue(labels, key.join("."));
    return key.length === 0 ? ownValue(fields, field) : undefined;
  };
}

/** The value of a key that may be any text, `constructor` too. */
export function ownValue(map: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
