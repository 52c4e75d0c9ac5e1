import type { CommitOptions, Info, Writer } from "../../content/store.js";
import type { Digest } from "../../oci/digest.js";
import type { Committed, IngestSession } from "./ingest-session.js";

/** What a writer was opened with. */
interface WriterStart {
  readonly size: number | undefined;
  readonly expected: Digest | undefined;
  readonly signal: AbortSignal | undefined;
  /** Says what is known about the blob; gives the labels to one that was there already. */
  readonly keep: (committed: Committed, labels: Readonly<Record<string, string>>) => Promise<Info>;
}

/** An ingest as the services of this process write to it. */
export class SessionWriter implements Writer {
  readonly #session: IngestSession;
  readonly #start: WriterStart;
  readonly #close = (): void => void this.#session.close();

  constructor(session: IngestSession, start: WriterStart) {
    this.#session = session;
    this.#start = start;
    start.signal?.addEventListener("abort", this.#close, { once: true });
    if (start.signal?.aborted) this.#close();
  }

  get ref(): string {
    return this.#session.ref;
  }

  get offset(): number {
    return this.#session.offset;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#start.signal?.throwIfAborted();
    await this.#session.write(chunk);
  }

  async truncate(_size: 0): Promise<void> {
    this.#start.signal?.throwIfAborted();
    await this.#session.truncate();
  }

  async commit(options: CommitOptions = {}): Promise<Info> {
    this.#start.signal?.throwIfAborted();
    const { size = this.#start.size, expected = this.#start.expected, labels = {} } = options;
    try {
      return await this.#start.keep(await this.#session.commit({ size, expected, labels }), labels);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#start.signal?.removeEventListener("abort", this.#close);
    await this.#session.close();
  }
}
