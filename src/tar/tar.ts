import type { Readable } from "node:stream";
import { extract, type Header, pack } from "tar-stream";
import { DataLossError, isContainerdError, ResourceExhaustedError } from "../errors.js";
import { decompress } from "./decompress.js";

/** What kind of thing a member of a tar is. */
export type TarEntryType = Header["type"];

/** What a tar says about one of its members. */
export interface TarHeader {
  /** Its path as it stands in the archive: not cleaned, not confined. */
  readonly name: string;
  /** What it is. */
  readonly type: TarEntryType;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  /** Number of the user. */
  readonly uid: number;
  /** Number of the group. */
  readonly gid: number;
  /** When the content last changed; whole seconds. */
  readonly modifiedAt: Date;
  /** What a link points to. */
  readonly linkName?: string;
}

/** One member of a tar, with its content. */
export interface TarEntry extends TarHeader {
  /** The content. It can be read once, and only before the next member is asked for; what is left unread is skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** One member to write; what is absent is what a plain file of root's has. */
export interface TarFile extends Partial<Omit<TarHeader, "size">> {
  /** Its path in the archive. */
  readonly name: string;
  /** The content of a file; empty when absent. */
  readonly body?: Uint8Array;
}

/** How much a reader takes in from an archive nobody vouches for. */
export interface TarLimits {
  /** Members; 1,000,000 when absent. */
  readonly maxEntries?: number;
  /** Bytes of the unpacked archive; 64 GiB when absent. */
  readonly maxBytes?: number;
}

const MAX_ENTRIES = 1_000_000;
const MAX_BYTES = 64 * 2 ** 30;

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
 * @throws {NotImplementedError} when it is zstd and this Node.js cannot unpack that
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
      const content = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      yield { ...headerOf(stream.header), body: bodyOf(content, source) };
      while (!(await content.next()).done);
    }
  } catch (reason) {
    throw source.explain(reason);
  } finally {
    reader.destroy();
    await feeding;
  }
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
        if (reader.write(chunk)) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (closed) resolve();
        });
      }
      reader.end(undefined);
    } catch (reason) {
      this.#fault = { reason };
      reader.destroy(reason instanceof Error ? reason : new Error(String(reason)));
    }
  }
}

function headerOf(header: Header): TarHeader {
  return {
    name: header.name,
    type: header.type,
    size: header.size,
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    modifiedAt: header.mtime,
    ...(header.linkname ? { linkName: header.linkname } : {}),
  };
}

/**
 * Writes a tar of the members in their order; the same members give the same bytes.
 *
 * @example
 * ```ts
 * const layer = writeTar([{ name: "etc/hostname", body: new TextEncoder().encode("box\n") }]);
 * ```
 */
export async function* writeTar(files: Iterable<TarFile>): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = pack();
  for (const file of files) {
    const { name, type = "file", body = new Uint8Array(), linkName } = file;
    const header = {
      name,
      type,
      mode: file.mode ?? (type === "directory" ? 0o755 : 0o644),
      uid: file.uid ?? 0,
      gid: file.gid ?? 0,
      mtime: file.modifiedAt ?? new Date(0),
      ...(linkName === undefined ? {} : { linkname: linkName }),
    };
    if (type === "file") writer.entry(header, body);
    else writer.entry(header);
    yield* drained(writer);
  }
  writer.finalize();
  for await (const chunk of writer) yield chunk as Uint8Array;
}

/** A file to be written to a tar without being held in memory. */
export interface TarStreamFile extends Partial<Omit<TarHeader, "size" | "type" | "linkName">> {
  /** Its path in the archive. */
  readonly name: string;
  /** Bytes of its content. */
  readonly size: number;
  /** Opens the content, when its turn comes. */
  readonly body: () => Readable;
}

/**
 * Writes a tar of large files; memory does not grow with their size.
 *
 * @throws {DataLossError} when a file has another size than it was announced with
 */
export async function* streamTar(files: AsyncIterable<TarStreamFile>): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = pack({ highWaterMark: 1024 * 1024 });
  const feeding = feed(writer, files);
  feeding.catch((reason: unknown) => writer.destroy(reason instanceof Error ? reason : new Error(String(reason))));
  try {
    for await (const chunk of writer) yield chunk as Uint8Array;
    await feeding;
  } finally {
    writer.destroy();
  }
}

async function feed(writer: ReturnType<typeof pack>, files: AsyncIterable<TarStreamFile>): Promise<void> {
  for await (const { body, name, size, mode = 0o644, uid = 0, gid = 0, modifiedAt: mtime = new Date(0) } of files) {
    await new Promise<void>((resolve, reject) => {
      const entry = writer.entry({ name, size, mode, uid, gid, mtime }, (failure) => {
        if (failure === null || failure === undefined) resolve();
        else reject(new DataLossError(`Cannot pack ${name}: it has not the ${size} bytes it had`, { cause: failure }));
      });
      body().on("error", reject).pipe(entry);
    });
  }
  writer.finalize();
}

function* drained(writer: ReturnType<typeof pack>): Generator<Uint8Array, void, undefined> {
  for (let chunk: unknown = writer.read(); chunk !== null; chunk = writer.read()) yield chunk as Uint8Array;
}
