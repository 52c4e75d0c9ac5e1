/** A record as text. Beside what JSON knows there are instants and bytes, as strings that begin with a NUL. */
export function stringifyRecord(value: object): string {
  return JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key: string, item: unknown) {
    // A Date has become a string by the time it comes here.
    const original = this[key];
    if (original instanceof Date) return `\0t${original.toISOString()}`;
    if (original instanceof Uint8Array) return `\0b${Buffer.from(original).toString("base64")}`;
    return typeof item === "string" && item.startsWith("\0") ? `\0s${item}` : item;
  });
}

/** Reads a record that {@link stringifyRecord} wrote. */
export function parseRecord(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) => {
    if (typeof item !== "string" || !item.startsWith("\0")) return item;
    const rest = item.slice(2);
    if (item[1] === "t") return new Date(rest);
    return item[1] === "b" ? new Uint8Array(Buffer.from(rest, "base64")) : rest;
  });
}
