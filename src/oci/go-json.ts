/**
 * How Go declares a struct: its JSON fields in order, each with whether an empty value is left out, and the struct inside it.
 */
export interface GoStruct {
  readonly [field: string]: { readonly omitEmpty: boolean; readonly struct?: GoStruct };
}

const escapes: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/**
 * Writes `value` as Go's `json.Marshal` does: fields of a struct in their order, then fields the struct does not have,
 * keys of a map sorted by their UTF-8 bytes, and `<`, `>`, `&` escaped.
 *
 * @see https://pkg.go.dev/encoding/json@go1.24.0#Marshal
 */
export function writeGoJson(value: unknown, struct?: GoStruct): string {
  if (Array.isArray(value)) return `[${value.map((item) => writeGoJson(item, struct)).join(",")}]`;
  if (typeof value === "object" && value !== null) return writeObject(value as Record<string, unknown>, struct);
  if (typeof value === "string") return writeString(value);
  if (typeof value === "bigint") return value.toString();
  return JSON.stringify(value ?? null);
}

function writeObject(value: Record<string, unknown>, struct: GoStruct = {}): string {
  const members: string[] = [];
  for (const [field, { omitEmpty, struct: inner }] of Object.entries(struct)) {
    const item = Object.hasOwn(value, field) ? value[field] : undefined;
    if (item === undefined || (omitEmpty && isEmpty(item))) continue;
    members.push(`${writeString(field)}:${writeGoJson(item, inner)}`);
  }
  const others = Object.keys(value).filter((key) => !Object.hasOwn(struct, key) && value[key] !== undefined);
  for (const key of others.sort(compareUtf8)) members.push(`${writeString(key)}:${writeGoJson(value[key])}`);
  return `{${members.join(",")}}`;
}

// Go has no empty struct to leave out: a pointer to one is kept, and the only objects that count as empty are maps.
function isEmpty(value: unknown): boolean {
  if (value === null || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function writeString(text: string): string {
  // Half a surrogate pair has no UTF-8 form; Go reads it as U+FFFD.
  return JSON.stringify(text.replace(/\p{Surrogate}/gu, "\ufffd")).replace(
    /[<>&\u2028\u2029]/g,
    (character) => escapes[character] ?? character,
  );
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
