import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DataLossError, isDataLoss } from "../../errors.js";
import { parseRecord, stringifyRecord } from "./record-json.js";
import { syncDirectory, writeWhole } from "./whole-file.js";

/** Which record. */
export interface RecordName {
  readonly kind: string;
  readonly namespace: string;
  readonly key: string;
}

/** A record as its file holds it. */
export interface RecordFile extends RecordName {
  readonly value: unknown;
}

const TEMPORARY = ".new";
/** What may be lost with the power, as it only says where something could go on; everything else is on disk when it is told as done. */
const LOSABLE: ReadonlySet<string> = new Set(["ingests"]);
/** Whose deletion may be lost: a lease that holds too much does no harm. */
const REVIVABLE: ReadonlySet<string> = new Set([...LOSABLE, "leaseResources"]);

/** Records in a directory, each in a file of its own: whole, whenever this process dies. One process at a time. */
export class RecordFiles {
  readonly #directory: string;
  readonly #kinds = new Set<string>();

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** @throws {DataLossError} when a file is no record */
  *read(): Generator<RecordFile, void, undefined> {
    for (const kind of readdirSync(this.#directory)) {
      const directory = this.#of(kind);
      for (const name of readdirSync(directory)) {
        const path = join(directory, name);
        // What was not renamed was never told to anybody as done.
        const record = name.endsWith(TEMPORARY) ? undefined : this.#read(kind, path);
        if (record === undefined) rmSync(path);
        else yield { kind, ...record };
      }
    }
  }

  set({ kind, namespace, key, value }: RecordFile): void {
    const path = this.#path({ kind, namespace, key });
    const bytes = Buffer.from(stringifyRecord({ namespace, key, value }));
    writeWhole(path, bytes, { temporary: `${path}${TEMPORARY}`, isDurable: !LOSABLE.has(kind) });
  }

  delete(name: RecordName): void {
    rmSync(this.#path(name));
    if (!REVIVABLE.has(name.kind)) syncDirectory(this.#of(name.kind));
  }

  #read(kind: string, path: string): Omit<RecordFile, "kind"> | undefined {
    try {
      return readRecord(path);
    } catch (reason) {
      if (isDataLoss(reason) && LOSABLE.has(kind)) return undefined;
      throw reason;
    }
  }

  /** Neither keys nor namespaces are fit for file names everywhere: too long, or alike but for their case. */
  #path({ kind, namespace, key }: RecordName): string {
    const hash = createHash("sha256").update(`${namespace}\0${key}`).digest("hex");
    return join(this.#of(kind), `${hash}.json`);
  }

  #of(kind: string): string {
    const directory = join(this.#directory, kind);
    if (!this.#kinds.has(kind)) mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#kinds.add(kind);
    return directory;
  }
}

function readRecord(path: string): Omit<RecordFile, "kind"> {
  try {
    const { namespace, key, value } = parseRecord(readFileSync(path, "utf8")) as RecordFile;
    if (typeof namespace === "string" && typeof key === "string" && typeof value === "object") {
      return { namespace, key, value };
    }
  } catch (cause) {
    throw new DataLossError(`Cannot read record ${path}`, { cause });
  }
  throw new DataLossError(`Cannot read record ${path}: expected namespace, key and value`);
}
