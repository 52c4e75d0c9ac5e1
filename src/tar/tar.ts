import { extract, type Header } from "tar-stream";
import { DataLossError, isContainerdError, NotImplementedError, ResourceExhaustedError } from "../errors.js";
import { decompress } from "./decompress.js";
import { HeaderTap } from "./header-tap.js";
import { type Instant, instantOf } from "./instant.js";
import type { TarEntry, TarEntryType, TarHeader } from "./member.js";
import { type PaxRecords, textOf } from "./pax.js";

export type { DeviceNumbers, TarEntry, TarFile, TarHeader, TarStreamFile } from "./member.js";
export { TAR_END, tarMember, writeTar } from "./write.js";

/** How much a reader takes in from an archive nobody vouches for. */
export interface TarLimits {
  /** Members; 1,000,000 when absent. */
  readonly maxEntries?: number;
  /** Bytes of the unpacked archive; 64 GiB when absent. */
  readonly maxBytes?: number;
}

/** What the parser says, but not its types: the kind may be one it does not know, and where the content lies it says too. */
type ParsedHeader = Omit<Header, "type"> & { readonly type: TarEntryType | null; readonly byteOffset: number };

const XATTR = "SCHILY.xattr.";
const MAX_ENTRIES = 1_000_000;
const MAX_BYTES = 64 * 2 ** 30;
const PATIENCE_MS = 250;

/**
 * Reads the members of a tar in their order, unpacking gzip and zstd on the way; which it is shows in the first bytes.
 * Leaving the loop ends the reading of `packed` too.
 *
 * @example
 * ```ts
 * for await (const entry of readTar(client.content.read(layer))) console.log(entry.name, entry.size);
 * ```
 * @throws {DataLossError} when it is not a tar, or ends too early
 * @throws {ResourceExhaustedError} when a limit is passed
 * @throws {NotImplementedError} when a member is a sparse file
 */
export async function* readTar(
  packed: AsyncIterable<Uint8Array>,
  limits: TarLimits = {},
): AsyncGenerator<TarEntry, void, undefined> {
  const { maxEntries = MAX_ENTRIES, maxBytes = MAX_BYTES } = limits;
  const reader = extract();
  const source = new Feed(packed, maxBytes);
  const feeding = source.into(reader);
  let count = 0;
  try {
    for await (const stream of reader) {
      if (++count > maxEntries)
        throw new ResourceExhaustedError(`Cannot read the tar: more than ${maxEntries} members`);
      const header = stream.header as ParsedHeader;
      // The parser passes no content of a directory on, and waits for as much as the header says.
      if (header.type === "directory") header.size = 0;
      const content = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      yield { ...headerOf(header, source.tap.take(header.byteOffset)), body: bodyOf(content, source) };
      while (!(await content.next()).done);
    }
  } catch (reason) {
    throw source.explain(reason);
  } finally {
    reader.destroy();
    await endedOrHanging(feeding);
  }
}

/** A source that hangs ends when it gives something again; who has what it wanted of the archive is not kept for that. */
async function endedOrHanging(feeding: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([feeding, patience]);
  clearTimeout(timer);
}

/** Leaving its loop leaves the rest to be skipped; the stream's own iterator would end the whole archive. */
async function* bodyOf(content: AsyncIterator<Uint8Array>, source: Feed): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let next = await content.next(); !next.done; next = await content.next()) yield next.value;
  } catch (reason) {
    throw source.explain(reason);
  }
}

/** Carries the archive's bytes into the parser, at the parser's pace. */
class Feed {
  readonly tap = new HeaderTap();
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #maxBytes: number;
  #fault: { readonly reason: unknown } | undefined;

  constructor(packed: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#source = decompress(packed);
    this.#maxBytes = maxBytes;
  }

  /** Where the source itself failed, that is the reason: the parser only sees that something is missing. */
  explain(reason: unknown): unknown {
    if (this.#fault !== undefined) return this.#fault.reason;
    if (isContainerdError(reason)) return reason;
    const message = reason instanceof Error ? reason.message : String(reason);
    return new DataLossError(`Cannot read the tar: ${message}`, { cause: reason });
  }

  async into(reader: ReturnType<typeof extract>): Promise<void> {
    let closed = false;
    let wake = (): void => {};
    reader.on("drain", () => wake());
    reader.on("close", () => {
      closed = true;
      wake();
    });
    let total = 0;
    try {
      for await (const chunk of this.#source) {
        total += chunk.length;
        if (total > this.#maxBytes) {
          throw new ResourceExhaustedError(`Cannot read the tar: more than ${this.#maxBytes} bytes`);
        }
        if (closed) return;
        this.tap.push(chunk);
        if (reader.write(chunk)) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (closed) resolve();
        });
        if (closed) return;
      }
      reader.end(undefined);
    } catch (reason) {
      this.#fault = { reason };
      reader.destroy(reason instanceof Error ? reason : new Error(String(reason)));
    }
  }
}

function headerOf(header: ParsedHeader, pax: PaxRecords | undefined): TarHeader {
  if (pax === undefined) throw new DataLossError(`Cannot read the tar: no header where ${header.name} is said to be`);
  const text = (key: string) => {
    const bytes = pax.get(key);
    return bytes === undefined || bytes.length === 0 ? undefined : textOf(bytes);
  };
  const number = (key: "uid" | "gid") => decimal(text(key), key) ?? header[key];
  const type = typeOf(header, pax);
  const linkName = header.linkname || undefined;
  const isDevice = type === "character-device" || type === "block-device";
  const modifiedAtNs = nanoseconds(text("mtime"), "mtime");
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of pax) if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
  return {
    name: header.name,
    type,
    size: header.size,
    mode: header.mode,
    uid: number("uid"),
    gid: number("gid"),
    ...timeOf(modifiedAtNs, header.mtime),
    ...(linkName === undefined ? {} : { linkName }),
    ...(isDevice ? { device: { major: header.devmajor, minor: header.devminor } } : {}),
    ...(xattrs.size === 0 ? {} : { xattrs }),
  };
}

function typeOf({ name, type }: ParsedHeader, pax: PaxRecords): TarEntryType {
  if (type === null || [...pax.keys()].some((key) => key.startsWith("GNU.sparse."))) {
    throw new NotImplementedError(`Cannot read the tar: ${name} is a sparse file, or of a kind that is not known`);
  }
  // Before there was a flag for directories they were told by their name.
  return type === "file" && name.endsWith("/") ? "directory" : type;
}

function timeOf(ns: bigint | undefined, otherwise: Date): Instant {
  const instant = ns === undefined ? { modifiedAt: otherwise } : instantOf(ns);
  if (Number.isNaN(instant.modifiedAt.getTime())) {
    throw new DataLossError("Cannot read the tar: a time that is no instant");
  }
  return instant;
}

/** Decimal fractions have no exact double. */
function nanoseconds(text: string | undefined, key: string): bigint | undefined {
  if (decimal(text, key) === undefined || text === undefined) return undefined;
  const [whole = "", fraction = ""] = text.split(".");
  const parts = BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return BigInt(whole) * 1_000_000_000n + (text.startsWith("-") ? -parts : parts);
}

function decimal(text: string | undefined, key: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?[0-9]{1,30}(\.[0-9]*)?$/.test(text)) {
    throw new DataLossError(`Cannot read the tar: broken PAX record: ${key} is ${JSON.stringify(text.slice(0, 40))}`);
  }
  return Number(text);
}
