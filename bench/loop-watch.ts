import { percentile } from "./statistics.js";

const INTERVAL_MS = 5;

/** Watches how late the event loop's timers are. */
export class LoopWatch {
  readonly #delays: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #due: number = performance.now() + INTERVAL_MS;

  constructor() {
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
  }

  /** Ends it and says what 99 of 100 moments waited at most, in ms. */
  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    return percentile(this.#delays, 0.99);
  }

  #look(): void {
    const now = performance.now();
    // Who would have come while the loop stood still had waited, too: one long stop is not one late timer.
    for (let late = Math.max(0, now - this.#due); ; late -= INTERVAL_MS) {
      this.#delays.push(Math.max(0, late));
      if (late < INTERVAL_MS) break;
    }
    this.#due = now + INTERVAL_MS;
  }
}
