/** Finds the descriptions of the wire that a Go program carries inside its binary. */
import { inflateRawSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

const SUFFIX = ".proto";
const LONGEST_NAME = 127;
const FILE_NAME = /^[\w./-]+\.proto$/;

/** A gzip header as Go's generators write it: no name, no time, best compression, unknown system. */
const GZIP_HEADER = Buffer.from("1f8b08000000000002ff", "hex");

const NAME_FIELD = 1;
const SYNTAX_FIELD = 12;
/** Fields of a file descriptor that are length-delimited, then those that are numbers. */
const BYTES_FIELDS: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 8, 9, SYNTAX_FIELD]);
const NUMBER_FIELDS: ReadonlySet<number> = new Set([10, 11]);

/**
 * Extracts the proto3 file descriptors of a Go binary, one for each file name and package.
 *
 * Older generators store a descriptor as a gzip member, newer ones as plain bytes; a binary may hold both.
 */
export function extractDescriptors(binary: Buffer): FileDescriptorProto[] {
  const found = new Map<string, FileDescriptorProto>();
  for (const file of [...compressedDescriptors(binary), ...plainDescriptors(binary)]) {
    const key = `${file.name} ${file.package}`;
    if (FILE_NAME.test(file.name) && !found.has(key)) found.set(key, file);
  }
  return [...found.values()];
}

function* compressedDescriptors(binary: Buffer): Generator<FileDescriptorProto> {
  for (const start of occurrences(binary, GZIP_HEADER)) {
    const file = tryParse(() => inflateRawSync(binary.subarray(start + GZIP_HEADER.length)));
    if (file !== undefined) yield file;
  }
}

function* plainDescriptors(binary: Buffer): Generator<FileDescriptorProto> {
  for (const at of occurrences(binary, Buffer.from(SUFFIX))) {
    const start = startOfName(binary, at + SUFFIX.length);
    const end = start === undefined ? undefined : endOfDescriptor(binary, start);
    if (start === undefined || end === undefined) continue;
    const file = tryParse(() => binary.subarray(start, end));
    if (file !== undefined) yield file;
  }
}

function* occurrences(binary: Buffer, pattern: Buffer): Generator<number> {
  for (let at = binary.indexOf(pattern); at >= 0; at = binary.indexOf(pattern, at + 1)) yield at;
}

/** Finds the tag and length byte that announce a name ending at `end`. */
function startOfName(binary: Buffer, end: number): number | undefined {
  for (let length = SUFFIX.length + 1; length <= LONGEST_NAME; length++) {
    const tag = end - length - 2;
    if (binary[tag] === ((NAME_FIELD << 3) | 2) && binary[tag + 1] === length) return tag;
  }
  return undefined;
}

/** Walks the fields that follow the name; in proto3 the syntax is written last. */
function endOfDescriptor(binary: Buffer, start: number): number | undefined {
  let at = start + 2 + (binary[start + 1] ?? 0);
  for (;;) {
    const tag = readVarint(binary, at);
    if (tag === undefined) return undefined;
    const field = tag.value >>> 3;
    const expectedWireType = BYTES_FIELDS.has(field) ? 2 : NUMBER_FIELDS.has(field) ? 0 : undefined;
    if ((tag.value & 7) !== expectedWireType) return undefined;
    const number = readVarint(binary, tag.end);
    if (number === undefined) return undefined;
    at = expectedWireType === 2 ? number.end + number.value : number.end;
    if (at > binary.length) return undefined;
    if (field === SYNTAX_FIELD) return at;
  }
}

function readVarint(binary: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = binary[start + i];
    if (byte === undefined) return undefined;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { value, end: start + i + 1 };
  }
  return undefined;
}

function tryParse(bytes: () => Uint8Array): FileDescriptorProto | undefined {
  try {
    return fromBinary(FileDescriptorProtoSchema, bytes());
  } catch {
    // The same byte patterns also occur in data that is no descriptor.
    return undefined;
  }
}
