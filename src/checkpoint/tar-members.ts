import type { CallOptions } from "../call-options.js";
import type { Provider } from "../content/store.js";
import { DataLossError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { BLOCK, checksumOf, headerNumber } from "../tar/blocks.js";
import { parsePax, textOf } from "../tar/pax.js";

/** Where one member of an uncompressed tar lies. */
export interface TarMember {
  /** Its name, without a leading `./`. */
  readonly name: string;
  /** Whether it is a regular file, stored as it is: not a directory, a link, a device, or one with holes left out. */
  readonly isFile: boolean;
  /** Bytes of content; 0 for all but regular files. */
  readonly size: number;
  /** Where the content starts in the tar. */
  readonly offset: number;
}

// Many of criu's images are smaller than a block: one window shows a few dozen of them.
const WINDOW = 64 * 1024;
const MOST_MEMBERS = 100_000;

/**
 * Lists the members of an uncompressed tar by reading its headers only: the content between them is stepped over with
 * ranged reads, so that a dump of many gigabytes costs a few small reads.
 *
 * @throws {DataLossError} when it is not a tar
 */
export async function* listTarMembers(
  provider: Provider,
  tar: Pick<Descriptor, "digest" | "size">,
  call: CallOptions = {},
): AsyncGenerator<TarMember, void, undefined> {
  let window: { readonly offset: number; readonly bytes: Uint8Array } = { offset: 0, bytes: new Uint8Array() };
  const at = async (offset: number, length: number): Promise<Uint8Array> => {
    const end = window.offset + window.bytes.length;
    if (offset < window.offset || offset + length > end) {
      window = { offset, bytes: await readRange(provider, tar, offset, Math.max(length, WINDOW), call) };
    }
    const bytes = window.bytes.subarray(offset - window.offset, offset - window.offset + length);
    if (bytes.length < length) throw new DataLossError(`Cannot list ${tar.digest}: the tar ends inside a member`);
    return bytes;
  };
  let pax: MemberRecords = {};
  for (let offset = 0, count = 0; offset + BLOCK <= tar.size; ) {
    const header = await at(offset, BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (++count > MOST_MEMBERS) throw new DataLossError(`Cannot list ${tar.digest}: more than ${MOST_MEMBERS} members`);
    checkSum(header, tar, offset);
    const type = String.fromCharCode(header[156] ?? 0);
    const size = pax.size ?? number(header.subarray(124, 136), tar, offset);
    const content = offset + BLOCK;
    offset = content + Math.ceil(size / BLOCK) * BLOCK;
    if (type === "x" || type === "g") {
      if (size > WINDOW * 16) throw new DataLossError(`Cannot list ${tar.digest}: a header of ${size} bytes`);
      if (type === "x") pax = memberRecords(await at(content, size));
      continue;
    }
    const name = pax.path ?? ustarName(header);
    const isFile = (type === "0" || type === "\0") && !pax.isSparse;
    pax = {};
    yield { name: name.replace(/^(\.\/)+/, ""), isFile, size: isFile ? size : 0, offset: content };
  }
}

async function readRange(
  provider: Provider,
  tar: Pick<Descriptor, "digest" | "size">,
  offset: number,
  length: number,
  call: CallOptions,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const wanted = Math.min(length, tar.size - offset);
  if (wanted <= 0) return new Uint8Array();
  let got = 0;
  for await (const chunk of provider.read(tar, { ...call, offset, length: wanted })) {
    got += chunk.length;
    if (got > wanted) throw new DataLossError(`Cannot read ${tar.digest}: more bytes came than were asked for`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function checkSum(header: Uint8Array, tar: Pick<Descriptor, "digest">, offset: number): void {
  if (checksumOf(header) !== number(header.subarray(148, 156), tar, offset)) {
    throw new DataLossError(`Cannot list ${tar.digest}: no tar header at offset ${offset}`);
  }
}

function number(field: Uint8Array, tar: Pick<Descriptor, "digest">, offset: number): number {
  const value = headerNumber(field);
  if (value === undefined || value < 0) {
    throw new DataLossError(`Cannot list ${tar.digest}: bad number in the tar header at offset ${offset}`);
  }
  return value;
}

function ustarName(header: Uint8Array): string {
  const prefix = text(header.subarray(257, 262)) === "ustar" ? text(header.subarray(345, 500)) : "";
  const name = text(header.subarray(0, 100));
  return prefix === "" ? name : `${prefix}/${name}`;
}

function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** What a member is said to be in front of its header. */
interface MemberRecords {
  readonly path?: string | undefined;
  readonly size?: number | undefined;
  /** What is stored is a map of the content, and only some of it. */
  readonly isSparse?: boolean;
}

function memberRecords(header: Uint8Array): MemberRecords {
  const records = parsePax(header);
  const [path, size] = [records.get("path"), records.get("size")];
  const isSparse = [...records.keys()].some((key) => key.startsWith("GNU.sparse."));
  return { path: path && textOf(path), size: size && sizeOf(textOf(size)), isSparse };
}

function sizeOf(digits: string): number {
  const size = Number(digits);
  if (/^[0-9]+$/.test(digits) && Number.isSafeInteger(size)) return size;
  throw new DataLossError("Cannot list the tar: broken size in a PAX record");
}
