import { applyLabels } from "../content/labels.js";
import { InvalidArgumentError } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";

/** A map after an update by a mask: the path names the map itself, or one key of it, which goes when it has no value. */
export function maskedMap<T>(
  before: Readonly<Record<string, T>>,
  given: Readonly<Record<string, T>>,
  path: string,
  name: string,
): Record<string, T> | undefined {
  if (path === name) return { ...given };
  if (!path.startsWith(`${name}.`)) return undefined;
  const key = path.slice(name.length + 1);
  const others = Object.entries(before).filter(([one]) => one !== key);
  const value = Object.hasOwn(given, key) ? given[key] : undefined;
  return Object.fromEntries(value === undefined ? others : [...others, [key, value]]);
}

/**
 * Labels as they are kept: what has no value is none.
 *
 * @throws {InvalidArgumentError} when one is too long; `where` says whose it is
 */
export function checkedLabels(labels: Labels, where: string): Labels {
  try {
    return applyLabels({}, labels);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidArgumentError(`${where}: ${message}: invalid argument`, { cause });
  }
}

/** Without what has no value: that is no label. */
export function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}
