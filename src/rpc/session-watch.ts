import http2 from "node:http2";

// A call given up after so much silence makes one doubt that anybody is there; what is less is impatience.
const DOUBTFUL_MS = 500;

/** When the peer was last heard of, and how often. */
export class Hearing {
  at = 0;
  count = 0;

  heard(): void {
    this.count++;
    this.at = Date.now();
  }
}

/** What is known about a connection: who uses it, and whether somebody is at its other end. */
export class SessionWatch {
  readonly #session: http2.ClientHttp2Session;
  readonly #hearing: Hearing;
  readonly #ping: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly #forget: () => void;
  #streams = 0;
  #timer: NodeJS.Timeout | undefined;
  #isLeft = false;

  constructor(
    session: http2.ClientHttp2Session,
    hearing: Hearing,
    ping: { readonly intervalMs: number; readonly timeoutMs: number },
    forget: () => void,
  ) {
    this.#session = session;
    this.#hearing = hearing;
    this.#ping = ping;
    this.#forget = forget;
  }

  /** Holds the process open while a stream is, and asks a silent peer whether it still lives. Returns what is to be called at its end. */
  opened(stream: http2.ClientHttp2Stream): () => void {
    const openedAt = Date.now();
    const { count } = this.#hearing;
    this.#hearing.at = openedAt;
    if (this.#streams++ === 0) {
      this.#session.ref();
      // Not made and unmade with each call: most are over at once.
      if (this.#timer === undefined) this.#lookIn(this.#ping.intervalMs);
    }
    return () => {
      // What comes next, such as cleaning up, had better go another way.
      const silent = stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR && this.#hearing.count === count;
      if (silent && Date.now() - openedAt >= DOUBTFUL_MS) {
        this.#isLeft = true;
        this.#forget();
      }
      if (--this.#streams > 0 || this.#session.destroyed) return;
      if (this.#isLeft) this.#session.destroy();
      else this.#session.unref();
    };
  }

  /** It has carried a thousand million calls, and can carry no more: it closes when the last of them is over. */
  retire(): void {
    this.#forget();
    this.#session.close();
  }

  /** The connection is gone. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#streams === 0 || this.#session.destroyed) return;
    const leftMs = this.#hearing.at + this.#ping.intervalMs - Date.now();
    if (leftMs <= 0) this.#ask();
    this.#lookIn(leftMs > 0 ? leftMs : this.#ping.intervalMs);
  }

  #ask(): void {
    const { timeoutMs } = this.#ping;
    const timer = setTimeout(() => {
      const reason = new Error(`no sign of life for ${timeoutMs} ms`);
      this.#session.destroy(Object.assign(reason, { code: "ETIMEDOUT" }));
    }, timeoutMs);
    this.#session.ping((failed) => {
      clearTimeout(timer);
      if (failed === null) this.#hearing.heard();
    });
  }
}
