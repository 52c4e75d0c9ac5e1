import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "containerd-client";

/** Follows how long containers' tasks stood still, by the daemon's events. */
export class PauseWatch implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #pausedAt = new Map<string, number>();
  readonly #lengths = new Map<string, number[]>();
  readonly #taken = new Map<string, number>();
  readonly #done: Promise<void>;

  private constructor(client: Client) {
    this.#done = this.#follow(client);
  }

  /** Begins to look. */
  static async start(client: Client): Promise<PauseWatch> {
    const watch = new PauseWatch(client);
    // The daemon does not say when it listens.
    await sleep(300);
    return watch;
  }

  /** The length of the container's next pause that nobody asked about yet, in ms. Rejects when there is none in 2 seconds. */
  async next(id: string): Promise<number> {
    const nth = this.#taken.get(id) ?? 0;
    for (let tries = 0; tries < 200; tries += 1) {
      const found = this.#lengths.get(id)?.[nth];
      if (found !== undefined) {
        this.#taken.set(id, nth + 1);
        return found;
      }
      await sleep(10);
    }
    throw new Error(`pause ${nth} of ${id} was not seen`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #follow(client: Client): Promise<void> {
    const { signal } = this.#stop;
    try {
      for await (const { topic, publishedAt, payload } of client.events(["/tasks/paused", "/tasks/resumed"], {
        signal,
      })) {
        const id = payload.containerId;
        if (topic === "/tasks/paused") this.#pausedAt.set(id, publishedAt.getTime());
        else {
          const length = publishedAt.getTime() - (this.#pausedAt.get(id) ?? Number.NaN);
          this.#lengths.set(id, [...(this.#lengths.get(id) ?? []), length]);
        }
      }
    } catch (reason) {
      if (!signal.aborted) throw reason;
    }
  }
}
