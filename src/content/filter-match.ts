import { InvalidArgumentError } from "../errors.js";
import type { Info, Status } from "./store.js";

/** Finds the value of a field; undefined when there is no such field. */
export type FieldLookup = (path: readonly string[]) => string | undefined;

interface Condition {
  readonly path: readonly string[];
  readonly holds: (value: string) => boolean;
}

/**
 * Reads filters as a daemon reads them, for stores that are none. One filter must match, or there must be none.
 *
 * @throws {InvalidArgumentError} when one cannot be parsed
 */
export function parseFilters(filters: readonly string[]): (lookup: FieldLookup) => boolean {
  const parsed = filters.map(parseFilter);
  if (parsed.length === 0) return () => true;
  return (lookup) =>
    parsed.some((conditions) =>
      conditions.every(({ path, holds }) => {
        const value = lookup(path);
        return value !== undefined && holds(value);
      }),
    );
}

/** What a store's `list` asks of each blob. */
export function infoMatcher(filters: readonly string[]): (info: Info) => boolean {
  const matches = parseFilters(filters);
  return ({ digest, labels }) =>
    matches(([field, ...key]) => {
      if (field === "digest" && key.length === 0) return digest;
      return field === "labels" ? labels[key.join(".")] : undefined;
    });
}

/** What a store's `statuses` asks of each ingest. */
export function statusMatcher(filters: readonly string[]): (status: Pick<Status, "ref">) => boolean {
  const matches = parseFilters(filters);
  return ({ ref }) => matches(([field, ...key]) => (field === "ref" && key.length === 0 ? ref : undefined));
}

function parseFilter(text: string): Condition[] {
  const scanner = new Scanner(text);
  const conditions: Condition[] = [];
  if (text === "") return conditions;
  do conditions.push(condition(scanner));
  while (scanner.take(/,/y) !== undefined);
  if (!scanner.done) throw scanner.fault("a comma or the end");
  return conditions;
}

function condition(scanner: Scanner): Condition {
  const path = [scanner.field()];
  while (scanner.take(/\./y) !== undefined) path.push(scanner.field());
  const operator = scanner.take(/[=!~]=/y);
  if (operator === undefined && (scanner.done || scanner.sees(/,/y))) return { path, holds: (value) => value !== "" };
  if (operator === undefined) throw scanner.fault("==, != or ~=");
  const wanted = scanner.value(operator === "~=");
  if (operator === "==") return { path, holds: (value) => value === wanted };
  if (operator === "!=") return { path, holds: (value) => value !== wanted };
  const pattern = scanner.pattern(wanted);
  return { path, holds: (value) => pattern.test(value) };
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    this.#skip();
    return this.#at === this.#text.length;
  }

  sees(pattern: RegExp): boolean {
    this.#skip();
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  take(pattern: RegExp): string | undefined {
    this.#skip();
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    this.#at += found?.length ?? 0;
    return found;
  }

  field(): string {
    const name = this.take(/[A-Za-z][A-Za-z0-9_]*/y) ?? this.#quoted();
    if (name === undefined) throw this.fault("a field");
    return name;
  }

  value(isPattern: boolean): string {
    const quoted = this.#quoted();
    if (quoted !== undefined) return quoted;
    const alternative = this.take(/\/(?:\\.|[^\\/])*\/|\|(?:\\.|[^\\|])*\|/y);
    if (alternative !== undefined && isPattern) return alternative.slice(1, -1).replaceAll(/\\([/|])/g, "$1");
    const bare = alternative === undefined ? this.take(/[^,\s"/|][^,\s]*/y) : undefined;
    if (bare === undefined) throw this.fault("a value");
    return bare;
  }

  pattern(source: string): RegExp {
    try {
      return new RegExp(source, "u");
    } catch (reason) {
      throw new InvalidArgumentError(`Cannot parse filter ${JSON.stringify(this.#text)}: bad pattern ${source}`, {
        cause: reason,
      });
    }
  }

  fault(expected: string): InvalidArgumentError {
    return new InvalidArgumentError(
      `Cannot parse filter ${JSON.stringify(this.#text)}: expected ${expected} at ${this.#at}`,
    );
  }

  /** White space between tokens means nothing. */
  #skip(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #quoted(): string | undefined {
    const text = this.take(/"(?:\\.|[^"\\])*"/y);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as string;
    } catch {
      throw this.fault("a quoted text with escapes as JSON has them");
    }
  }
}
