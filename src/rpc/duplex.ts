/** A call in both directions, driven by hand. */
export interface Duplex<I, O> {
  /** Resolves when the transport has taken the message: awaiting it gives backpressure. */
  send(message: I): Promise<void>;
  /** The next message of the peer; `undefined` when it ended the call well. */
  receive(): Promise<O | undefined>;
  /** Says that nothing more will be sent. */
  end(): void;
  /** Resets the call; what is pending rejects. Does nothing when it is over. */
  cancel(): void;
}

interface DuplexOptions<I, O> {
  readonly signal: AbortSignal | undefined;
  open(input: AsyncIterable<I>, signal: AbortSignal): Promise<{ readonly message: AsyncIterable<O> }>;
  mayRetry(reason: unknown, attempt: number): boolean;
  translate(reason: unknown): unknown;
}

/** Keeps what was sent until the first answer, so that a refused call can be opened again from the start. */
export class DuplexCall<I, O> implements Duplex<I, O> {
  readonly #options: DuplexOptions<I, O>;
  readonly #stop = new AbortController();
  readonly #forward = () => this.#stop.abort(this.#options.signal?.reason);
  #outbox: { readonly message: I; taken: () => void; failed: (reason: unknown) => void }[] = [];
  #answered = false;
  #ended = false;
  #over: { readonly reason: unknown } | undefined;
  #wake: () => void = () => {};
  #answers: Promise<AsyncIterator<O>> | undefined;

  constructor(options: DuplexOptions<I, O>) {
    this.#options = options;
    options.signal?.addEventListener("abort", this.#forward, { once: true });
    if (options.signal?.aborted) this.#forward();
  }

  async send(message: I): Promise<void> {
    if (this.#over) throw this.#over.reason;
    const taken = new Promise<void>((resolve, reject) => {
      this.#outbox.push({ message, taken: resolve, failed: reject });
    });
    this.#wake();
    void this.#start();
    return taken;
  }

  async receive(): Promise<O | undefined> {
    if (this.#over) throw this.#over.reason;
    try {
      const answers = await this.#start();
      const answer = await answers.next();
      this.#answered = true;
      if (!answer.done) return answer.value;
      this.#close(new Error("the call is over"));
      return undefined;
    } catch (reason) {
      const error = this.#options.translate(reason);
      this.#close(error);
      throw error;
    }
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  cancel(): void {
    this.#close(new Error("the call was cancelled"));
  }

  #close(reason: unknown): void {
    this.#over ??= { reason };
    for (const item of this.#outbox.splice(0)) item.failed(reason);
    this.#options.signal?.removeEventListener("abort", this.#forward);
    this.#wake();
    this.#stop.abort();
  }

  #start(): Promise<AsyncIterator<O>> {
    if (this.#answers === undefined) {
      this.#answers = this.#open();
      // A sender may be waiting while nobody receives yet: it must hear of the failure too.
      this.#answers.catch((reason: unknown) => this.#close(this.#options.translate(reason)));
    }
    return this.#answers;
  }

  async #open(): Promise<AsyncIterator<O>> {
    for (let attempt = 1; ; attempt++) {
      try {
        const reply = await this.#options.open(this.#input(), this.#stop.signal);
        return reply.message[Symbol.asyncIterator]();
      } catch (reason) {
        if (this.#over || !this.#options.mayRetry(reason, attempt)) throw reason;
      }
    }
  }

  async *#input(): AsyncGenerator<I, void, undefined> {
    for (let at = 0; ; ) {
      const item = this.#outbox[at];
      if (item !== undefined) {
        yield item.message;
        item.taken();
        if (this.#answered) this.#outbox.splice(0, at + 1);
        at = this.#answered ? 0 : at + 1;
      } else if (this.#ended || this.#over) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
