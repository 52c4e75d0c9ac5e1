import { constants } from "node:fs";
import { type FileHandle, lstat, readdir, rm } from "node:fs/promises";
import { NotFoundError } from "../../errors.js";
import { type Digest, digestOf, parseDigest } from "../../oci/digest.js";
import { type JsonObject, optionalString, parseJsonObject } from "../../oci/json.js";
import type { Status } from "../store.js";
import type { CallLimit } from "./call-limit.js";
import { isFileError } from "./file-errors.js";
import { limitedChunksOf, openPlain, readPlain } from "./files.js";
import { isFresh, type LayoutDirectory } from "./layout-directory.js";
import { isAlive, ownIdentity } from "./process-identity.js";

/** What was said about an ingest when it was opened first. */
interface Facts {
  readonly ref: string;
  readonly total: number | undefined;
  readonly expected: Digest | undefined;
  readonly startedAt: Date;
  /** Who opened it last. */
  readonly writer: string | undefined;
}

const MOST_FACT_BYTES = 1024 * 1024;
const MODE = 0o600;
/** A file whose last writer closed it has this bit. It is the file's and not the name's: who lost the name marks nothing of another's. */
const CLOSED = 0o100;

// An ingest is there as long as the file of its bytes is: that comes after its facts, and goes before them.

/** The ingests of a layout: a file of bytes each, and one of facts. */
export class IngestFiles {
  readonly #directory: LayoutDirectory;
  #isSwept = false;

  constructor(directory: LayoutDirectory) {
    this.#directory = directory;
  }

  /** The name of the lock of a ref. */
  key(ref: string): string {
    return digestOf(Buffer.from(ref)).replace("sha256:", "ref-");
  }

  /** Where the bytes are. */
  bytes(ref: string): string {
    return this.#path(ref, "bytes");
  }

  /**
   * Opens the file of bytes, and makes it when it is not there. Only who holds the lock may, and must look that he holds it still
   * before he writes.
   */
  async open(
    ref: string,
    total: number | undefined,
    expected: Digest | undefined,
    limit: CallLimit,
  ): Promise<FileHandle> {
    const handle = await this.#open(ref, total, expected, limit);
    try {
      if (((await handle.stat()).mode & CLOSED) !== 0) await handle.chmod(MODE);
      return handle;
    } catch (reason) {
      await handle.close();
      throw reason;
    }
  }

  /** Closes a file of bytes, if it is not yet: who opens it next need not expect that anybody still writes to it. */
  async close(handle: FileHandle): Promise<void> {
    try {
      if (handle.fd >= 0) await handle.chmod(MODE | CLOSED);
    } finally {
      await handle.close();
    }
  }

  async #open(
    ref: string,
    total: number | undefined,
    expected: Digest | undefined,
    limit: CallLimit,
  ): Promise<FileHandle> {
    await this.#sweep();
    const known = await this.#facts(ref);
    if (known !== undefined) {
      try {
        await this.#part(ref, known, limit);
        if (known.writer !== ownIdentity()) await this.#note({ ...known, writer: ownIdentity() });
        return await openPlain(this.bytes(ref), constants.O_RDWR);
      } catch (reason) {
        if (!isFileError(reason, "ENOENT")) throw reason;
      }
    }
    // Bytes nothing is known about are those of a machine that lost its power.
    await rm(this.bytes(ref), { force: true });
    await this.#note({ ref, total, expected, startedAt: new Date(), writer: ownIdentity() });
    return openPlain(this.bytes(ref), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, MODE);
  }

  /** Gives the bytes a file of their own when the last writer may only seem dead: he would go on in the one he has. */
  async #part(ref: string, { writer }: Facts, limit: CallLimit): Promise<void> {
    const handle = await openPlain(this.bytes(ref));
    try {
      const { mode, size } = await handle.stat();
      if ((mode & CLOSED) !== 0 || (writer !== undefined && isAlive(writer) === false)) return;
      await this.#directory.replace(this.bytes(ref), limitedChunksOf(handle, 0, size, limit), { isDurable: false });
    } finally {
      await handle.close();
    }
  }

  async #note(facts: Facts): Promise<void> {
    await this.#directory.replace(this.#path(facts.ref, "json"), JSON.stringify(facts), { isDurable: false });
  }

  async status(ref: string): Promise<Status> {
    const status = await this.#status(ref);
    if (status === undefined) throw new NotFoundError(`reference ${ref}: not found`);
    return status;
  }

  async *statuses(): AsyncGenerator<Status, void, undefined> {
    if (!(await this.#directory.hasPrivate())) return;
    for (const name of await readdir(this.#directory.private("ingests"))) {
      if (!name.endsWith(".json")) continue;
      const facts = await this.#read(this.#directory.private("ingests", name));
      const status = facts === undefined ? undefined : await this.#status(facts.ref);
      if (status !== undefined) yield status;
    }
  }

  /** Drops an ingest. */
  async drop(ref: string): Promise<void> {
    try {
      await rm(this.bytes(ref));
    } catch (reason) {
      throw isFileError(reason, "ENOENT")
        ? new NotFoundError(`reference ${ref}: not found`, { cause: reason })
        : reason;
    } finally {
      await this.forget(ref);
    }
  }

  /** Removes the facts of an ingest that is one no more. */
  async forget(ref: string): Promise<void> {
    await rm(this.#path(ref, "json"), { force: true });
  }

  /** Removes halves of ingests, which remain when a process or the machine ends at a bad moment. */
  async #sweep(): Promise<void> {
    if (this.#isSwept) return;
    this.#isSwept = true;
    const names = new Set(await readdir(this.#directory.private("ingests")));
    for (const name of names) {
      const other = name.endsWith(".json") ? name.replace(".json", ".bytes") : name.replace(".bytes", ".json");
      const path = this.#directory.private("ingests", name);
      if (!names.has(other) && !(await isFresh(path))) await rm(path, { force: true });
    }
  }

  async #status(ref: string): Promise<Status | undefined> {
    if (!(await this.#directory.hasPrivate())) return undefined;
    const facts = await this.#facts(ref);
    if (facts === undefined) return undefined;
    const { total, expected, startedAt } = facts;
    try {
      const { size, mtimeMs } = await lstat(this.bytes(ref));
      return {
        ref,
        offset: size,
        ...(total === undefined ? {} : { total }),
        ...(expected === undefined ? {} : { expected }),
        startedAt,
        // The kernel's clock for files is some milliseconds behind.
        updatedAt: new Date(Math.max(mtimeMs, startedAt.getTime())),
      };
    } catch (reason) {
      if (isFileError(reason, "ENOENT")) return undefined;
      throw reason;
    }
  }

  async #facts(ref: string): Promise<Facts | undefined> {
    const facts = await this.#read(this.#path(ref, "json"));
    return facts?.ref === ref ? facts : undefined;
  }

  async #read(path: string): Promise<Facts | undefined> {
    const bytes = await readPlain(path, MOST_FACT_BYTES);
    return bytes === undefined ? undefined : parseFacts(bytes);
  }

  #path(ref: string, kind: "bytes" | "json"): string {
    return this.#directory.private("ingests", `${this.key(ref)}.${kind}`);
  }
}

/** Facts are not synced: after a loss of power there may be none in their file. */
function parseFacts(bytes: Uint8Array): Facts | undefined {
  try {
    const document: JsonObject = parseJsonObject(bytes, "ingest");
    const { ref, total } = document;
    const expected = optionalString(document, "expected", "ingest");
    const writer = optionalString(document, "writer", "ingest");
    const startedAt = new Date(optionalString(document, "startedAt", "ingest") ?? Number.NaN);
    if (typeof ref !== "string" || Number.isNaN(startedAt.getTime())) return undefined;
    return {
      ref,
      total: typeof total === "number" ? total : undefined,
      expected: expected === undefined ? undefined : parseDigest(expected),
      startedAt,
      writer,
    };
  } catch {
    return undefined;
  }
}
