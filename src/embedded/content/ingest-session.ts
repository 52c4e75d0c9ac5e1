import { applyLabels } from "../../content/labels.js";
import { FailedPreconditionError, NotFoundError } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import { algorithmOf, type Digest, type Digester, digester } from "../../oci/digest.js";
import type { IngestRecord } from "../metadata/record-kinds.js";
import type { Bytes, OpenIngest } from "./bytes.js";

/** What a commit is to make. */
export interface NewBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Labels;
}

/** What a commit made. */
export interface Committed {
  readonly digest: Digest;
  readonly size: number;
  /** The namespace had it already; its labels are as they were. */
  readonly existed: boolean;
}

/** What a commit expects; what is left out may be anything. */
export interface Expectation {
  readonly size?: number | undefined;
  readonly expected?: Digest | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What a session is opened with. */
export interface SessionStart {
  readonly ref: string;
  readonly record: IngestRecord;
  readonly bytes: Bytes;
  /** The ingest's record; undefined when it was dropped or another took its name. */
  readonly current: () => IngestRecord | undefined;
  /** Says that the bytes are the ingest's own from now on. */
  readonly own: () => void;
  /** Makes a blob of the bytes, which are synced and closed where they are not `shared`. */
  readonly commit: (blob: NewBlob, shared: boolean) => Committed;
  readonly unlock: () => void;
}

/** An ingest open for writing. Its calls take effect one after the other, awaited or not. */
export class IngestSession {
  readonly #start: SessionStart;
  /** Bytes of another namespace that this one need not send. */
  #shared: { readonly digest: Digest; readonly size: number } | undefined;
  #ingest: OpenIngest | undefined;
  #hash: Digester;
  #isClosed = false;
  #releasing: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(start: SessionStart) {
    this.#start = start;
    this.#hash = this.#newHash();
  }

  /** Opens the bytes, and hashes those that are there. */
  static async open(start: SessionStart): Promise<IngestSession> {
    const session = new IngestSession(start);
    try {
      await session.#open();
      return session;
    } catch (reason) {
      await session.close();
      throw reason;
    }
  }

  get ref(): string {
    return this.#start.ref;
  }

  get offset(): number {
    return this.#shared?.size ?? this.#ingest?.offset ?? 0;
  }

  /** What the bytes so far hash to. */
  get digest(): Digest {
    return this.#shared?.digest ?? this.#hash.digest();
  }

  get startedAt(): Date {
    return this.#start.record.startedAt;
  }

  get updatedAt(): Date {
    return this.#start.bytes.ingest(this.#start.record.id)?.updatedAt ?? this.startedAt;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#next(async () => {
      if (chunk.length === 0) return;
      const ingest = await this.#own();
      await ingest.append(chunk);
      this.#hash.update(chunk);
    });
  }

  truncate(): Promise<void> {
    return this.#next(async () => {
      const ingest = await this.#own();
      await ingest.truncate();
      this.#hash = this.#newHash();
    });
  }

  /**
   * Makes a blob, and closes the session whatever comes of it.
   *
   * @throws {FailedPreconditionError} when size or digest is another; the ingest stays
   */
  commit(wanted: Expectation): Promise<Committed> {
    return this.#next(async () => {
      try {
        const { offset } = this;
        const digest = await this.#digestLike(wanted.expected);
        const labels = applyLabels({}, wanted.labels ?? {});
        this.#check(wanted, offset, digest);
        if (this.#shared === undefined) {
          await this.#ingest?.sync();
          await this.#ingest?.close();
        }
        this.#current();
        return this.#start.commit({ digest, size: offset, labels }, this.#shared !== undefined);
      } finally {
        this.#isClosed = true;
        await this.#release();
      }
    });
  }

  /** Leaves the bytes to the next one who opens the ref, once what was begun is done. Does nothing when it is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await this.#release();
  }

  #release(): Promise<void> {
    this.#releasing ??= (async () => {
      try {
        await this.#ingest?.close();
      } finally {
        this.#start.unlock();
      }
    })();
    return this.#releasing;
  }

  async #open(): Promise<void> {
    const { record, bytes } = this.#start;
    const size = record.shared && record.expected !== undefined ? bytes.size(record.expected) : undefined;
    if (record.expected !== undefined && size !== undefined) {
      this.#shared = { digest: record.expected, size };
      return;
    }
    const ingest = await bytes.open(record.id);
    this.#ingest = ingest;
    for await (const chunk of ingest.read()) this.#hash.update(chunk);
  }

  /** The bytes as ones that may be changed. */
  async #own(): Promise<OpenIngest> {
    const { record, bytes, own } = this.#start;
    const ingest = this.#ingest ?? (await bytes.open(record.id));
    this.#ingest = ingest;
    if (this.#shared !== undefined) {
      await ingest.truncate();
      for await (const chunk of bytes.read(this.#shared.digest, 0, this.#shared.size)) {
        await ingest.append(chunk);
        this.#hash.update(chunk);
      }
      own();
      this.#shared = undefined;
    }
    return ingest;
  }

  /** What the bytes hash to, by the algorithm that is expected. */
  async #digestLike(expected: Digest | undefined): Promise<Digest> {
    const { digest } = this;
    if (expected === undefined || algorithmOf(expected) === algorithmOf(digest)) return digest;
    const hash = digester(algorithmOf(expected));
    for await (const chunk of (await this.#own()).read()) hash.update(chunk);
    return hash.digest();
  }

  #check({ size, expected }: Expectation, offset: number, digest: Digest): void {
    if (size !== undefined && size !== offset) {
      throw new FailedPreconditionError(
        `${JSON.stringify(this.ref)} failed size validation: ${offset} != ${size}: failed precondition`,
      );
    }
    if (expected !== undefined && expected !== digest) {
      throw new FailedPreconditionError(
        `unexpected commit digest ${digest}, expected ${expected}: failed precondition`,
      );
    }
  }

  #current(): void {
    if (this.#start.current()?.id !== this.#start.record.id) {
      throw new NotFoundError(`reference ${this.ref}: not found`);
    }
  }

  #newHash(): Digester {
    const { expected } = this.#start.record;
    return digester(expected === undefined ? "sha256" : algorithmOf(expected));
  }

  async #next<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (this.#isClosed) throw new FailedPreconditionError(`ingest ${this.ref} is closed`);
      this.#current();
      return act();
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
