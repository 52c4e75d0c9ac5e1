/** How a filter compares: equal, not equal, or matching a regular expression of Go's kind. */
export type FilterOperator = "==" | "!=" | "~=";

/**
 * Writes one condition of a filter, with everything quoted that must be. Without a value the field must only be there. Conditions
 * joined by a comma must all hold; of several filters in a list one must.
 *
 * @example
 * ```ts
 * filter(["labels", "containerd.io/gc.root"]); // labels."containerd.io/gc.root"
 * [filter(["id"], "==", "a b"), filter(["labels", "role"], "!=", "db")].join(","); // id=="a b",labels.role!="db"
 * ```
 * @see https://github.com/containerd/containerd/blob/v2.1.4/pkg/filters/filter.go
 */
export function filter(path: readonly string[]): string;
/** Writes one condition of a filter that compares a field with a value. */
export function filter(path: readonly string[], operator: FilterOperator, value: string): string;
export function filter(path: readonly string[], operator: FilterOperator | "" = "", value?: string): string {
  const field = path.map((part) => (/^[A-Za-z][A-Za-z0-9_]*$/.test(part) ? part : quoted(part))).join(".");
  return value === undefined ? field : `${field}${operator}${quoted(value)}`;
}

// Go reads every escape that JSON writes.
const quoted = (text: string): string => JSON.stringify(text);
