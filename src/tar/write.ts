import { DataLossError, InvalidArgumentError } from "../errors.js";
import { BLOCK, checksumOf } from "./blocks.js";
import { nanosecondsOf } from "./instant.js";
import type { TarEntryType, TarFile, TarHeader, TarStreamFile } from "./member.js";
import { encodePax } from "./pax.js";

// Headers by themselves would be many small writes.
const FEW_BYTES = 64 * 1024;
const MOST_NAME_BYTES = 100;
const MOST_PREFIX_BYTES = 155;
const typeFlags: { readonly [T in TarEntryType]: string } = {
  file: "0",
  link: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
  "contiguous-file": "7",
};

/**
 * Writes a tar of the members in their order, extended headers where the plain ones cannot say it; the same members give the
 * same bytes, and memory does not grow with what is streamed.
 *
 * @example
 * ```ts
 * const layer = writeTar([{ name: "etc/hostname", body: new TextEncoder().encode("box\n") }]);
 * ```
 * @throws {DataLossError} when a file has another size than it was announced with
 */
export async function* writeTar(
  files: Iterable<TarFile | TarStreamFile> | AsyncIterable<TarFile | TarStreamFile>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const part of parts(files)) {
    held.push(part);
    length += part.length;
    if (length < FEW_BYTES) continue;
    yield held.length === 1 ? part : Buffer.concat(held);
    [held, length] = [[], 0];
  }
  yield Buffer.concat(held);
}

async function* parts(
  files: Iterable<TarFile | TarStreamFile> | AsyncIterable<TarFile | TarStreamFile>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const file of files) yield* tarMember(file);
  yield TAR_END;
}

/** What stands behind the last member of a tar. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/**
 * The bytes of one member of a tar, for tars whose members come from several places.
 *
 * @throws {DataLossError} when a file has another size than it was announced with
 */
export async function* tarMember(file: TarFile | TarStreamFile): AsyncGenerator<Uint8Array, void, undefined> {
  const header = headerOf(file);
  yield encodeHeader(header);
  if (file.body === undefined || header.size === 0) return;
  if (file.body instanceof Uint8Array) yield file.body;
  else yield* sized(header, file.body());
  if (header.size % BLOCK > 0) yield new Uint8Array(BLOCK - (header.size % BLOCK));
}

async function* sized(
  { name, size }: TarHeader,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size;
  for await (const chunk of body) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) throw new DataLossError(`Cannot pack ${name}: it has not the ${size} bytes it had`);
}

function headerOf(file: TarFile | TarStreamFile): TarHeader {
  const {
    name,
    type = "file",
    body,
    size = body?.length ?? 0,
    linkName,
    device,
    xattrs,
  }: Partial<TarHeader> & {
    readonly name: string;
    readonly body?: { readonly length: number };
  } = file;
  const isFile = type === "file" || type === "contiguous-file";
  return {
    name,
    type,
    size: isFile ? size : 0,
    mode: file.mode ?? (type === "directory" ? 0o755 : 0o644),
    uid: file.uid ?? 0,
    gid: file.gid ?? 0,
    modifiedAt: file.modifiedAt ?? new Date(0),
    modifiedAtNs: file.modifiedAtNs,
    ...(linkName === undefined ? {} : { linkName }),
    ...(device === undefined ? {} : { device }),
    ...(xattrs === undefined ? {} : { xattrs }),
  };
}

/** The header's blocks, an extended one first where something does not fit into the plain one. */
function encodeHeader(header: TarHeader): Uint8Array {
  const records = new Map<string, Uint8Array>();
  const tell = (key: string, value: string | number) => void records.set(key, Buffer.from(String(value)));
  const name = splitName(header.name);
  const { linkName = "", uid, gid, size } = header;
  const seconds = secondsOf(header);
  const wholeSeconds = Math.max(0, Math.floor(Number(seconds)));
  const isLinkPlain = isPlain(linkName, MOST_NAME_BYTES);
  if (name === undefined) tell("path", header.name);
  if (!isLinkPlain) tell("linkpath", linkName);
  if (!fits(uid, 7)) tell("uid", uid);
  if (!fits(gid, 7)) tell("gid", gid);
  if (!fits(size, 11)) tell("size", size);
  if (seconds !== String(wholeSeconds) || !fits(wholeSeconds, 11)) tell("mtime", seconds);
  for (const [key, value] of header.xattrs ?? []) records.set(`SCHILY.xattr.${key}`, value);
  const block = ustarBlock({
    ...header,
    name: name?.name ?? plainly(header.name),
    prefix: name?.prefix ?? "",
    linkName: isLinkPlain ? linkName : plainly(linkName),
    flag: typeFlags[header.type],
    seconds: wholeSeconds,
  });
  if (records.size === 0) return block;
  const pax = encodePax(records);
  const padded = new Uint8Array(Math.ceil(pax.length / BLOCK) * BLOCK);
  padded.set(pax);
  const paxName = { name: "PaxHeader", prefix: "", linkName: "", flag: "x", size: pax.length, seconds: 0 };
  return Buffer.concat([ustarBlock({ ...paxName, mode: 0o644, uid: 0, gid: 0 }), padded, block]);
}

/** A decimal fraction, as short as it is exact. */
function secondsOf(header: TarHeader): string {
  if (Number.isNaN(header.modifiedAt.getTime())) {
    throw new InvalidArgumentError(`Cannot pack ${header.name}: its time is no instant`);
  }
  const ns = nanosecondsOf(header);
  const digits = String(ns < 0n ? -ns : ns).padStart(10, "0");
  const text = `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, "");
  return ns < 0n ? `-${text}` : text;
}

interface UstarFields extends Pick<TarHeader, "name" | "size" | "mode" | "uid" | "gid" | "device"> {
  readonly prefix: string;
  readonly linkName: string;
  readonly flag: string;
  readonly seconds: number;
}

function ustarBlock(fields: UstarFields): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(fields.name, 0, "latin1");
  block.write(octal(fields.mode & 0o7777, 7), 100);
  block.write(octal(fields.uid, 7), 108);
  block.write(octal(fields.gid, 7), 116);
  block.write(octal(fields.size, 11), 124);
  block.write(octal(fields.seconds, 11), 136);
  block.write(fields.flag, 156);
  block.write(fields.linkName, 157, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  block.write(octal(fields.device?.major ?? 0, 7), 329);
  block.write(octal(fields.device?.minor ?? 0, 7), 337);
  block.write(fields.prefix, 345, "latin1");
  block.write(`${octal(checksumOf(block), 6)}\0 `, 148, "latin1");
  return block;
}

/** A path in the two fields of a plain header; undefined when it does not fit. */
function splitName(path: string): { readonly prefix: string; readonly name: string } | undefined {
  if (isPlain(path, MOST_NAME_BYTES)) return { prefix: "", name: path };
  if (!isPlain(path, MOST_PREFIX_BYTES + 1 + MOST_NAME_BYTES)) return undefined;
  const slash = path.indexOf("/", path.length - MOST_NAME_BYTES - 1);
  if (slash <= 0 || slash > MOST_PREFIX_BYTES || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

function isPlain(text: string, mostBytes: number): boolean {
  return text.length <= mostBytes && /^[ -~]*$/.test(text);
}

/** What those see who know no extended headers. */
function plainly(text: string): string {
  return text.replaceAll(/[^ -~]/g, "_").slice(0, MOST_NAME_BYTES);
}

function fits(value: number, digits: number): boolean {
  return value >= 0 && value < 8 ** digits;
}

/** Where it does not fit the extended header says it, and this field is not believed. */
function octal(value: number, digits: number): string {
  return (fits(value, digits) ? value : 0).toString(8).padStart(digits, "0");
}
