/** Changes after which garbage is collected, if something was deleted since the last time: as many as containerd waits for. */
const MUTATIONS = 100;

/** Decides when garbage is collected without anybody asking. */
export class CollectionSchedule {
  readonly #collect: () => Promise<void>;
  #mutations = 0;
  #deletions = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(collect: () => Promise<void>) {
    this.#collect = collect;
  }

  /** Takes note of a change. */
  changed(isDeletion: boolean): void {
    this.#mutations++;
    if (isDeletion) this.#deletions++;
    if (this.#mutations >= MUTATIONS && this.#deletions > 0) this.soon();
  }

  /** Collects when what happens now is done. */
  soon(): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#collect().catch((reason: unknown) => {
        // Nobody waits for it: what was not removed is tried again the next time.
        process.emitWarning(`Cannot collect garbage: ${String(reason)}`);
      });
    }, 0).unref();
  }

  /** Collects no more by itself. */
  close(): void {
    this.begun();
    this.#isClosed = true;
  }

  /** Counts anew: garbage is being collected. */
  begun(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#mutations = 0;
    this.#deletions = 0;
  }
}
