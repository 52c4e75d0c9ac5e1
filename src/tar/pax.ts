import { DataLossError, InvalidArgumentError } from "../errors.js";

/** The records of an extended header. Values are bytes: an extended attribute holds anything. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;

/**
 * Reads the records of an extended header.
 *
 * @throws {DataLossError} when one is broken, or comes twice where it must be unique
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
export function parsePax(
  bytes: Uint8Array,
  { unique = false }: { readonly unique?: boolean } = {},
): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const digits = space < 0 || space - at > 10 ? "" : textOf(bytes.subarray(at, space));
    const end = at + Number(digits);
    const equals = bytes.indexOf(EQUALS, space);
    if (!/^[0-9]+$/.test(digits) || end > bytes.length || bytes[end - 1] !== NEWLINE || equals < 0 || equals >= end) {
      throw new DataLossError(`Cannot read the tar: broken PAX record at ${at} of its header`);
    }
    const name = textOf(bytes.subarray(space + 1, equals));
    if (unique && records.has(name)) {
      throw new DataLossError(`Cannot read the tar: PAX record ${JSON.stringify(name.slice(0, 160))} comes twice`);
    }
    records.set(name, bytes.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/**
 * Writes the records of an extended header, sorted by name.
 *
 * @throws {InvalidArgumentError} when a name has a character that ends it
 */
export function encodePax(records: PaxRecords): Uint8Array {
  const sorted = [...records].sort(([left], [right]) => (left < right ? -1 : 1));
  return Buffer.concat(sorted.map(([name, value]) => encodeRecord(name, value)));
}

/** What bytes say in UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function encodeRecord(name: string, value: Uint8Array): Uint8Array {
  if (/[=\0\n]/.test(name)) {
    throw new InvalidArgumentError(
      `Cannot write PAX record ${JSON.stringify(name)}: its name has a character that ends it`,
    );
  }
  const key = Buffer.from(` ${name}=`);
  const rest = key.length + value.length + 1;
  // The length counts its own digits.
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), key, value, Buffer.of(NEWLINE)]);
}
