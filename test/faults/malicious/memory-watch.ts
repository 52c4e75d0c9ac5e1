import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const EVERY_MS = 5;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Watches how much more memory is alive than when it began to watch. */
export class MemoryWatch implements Disposable {
  readonly #most: number;
  readonly #before: number;
  readonly #timer: NodeJS.Timeout;
  #peak = 0;

  /** Garbage counts only until there is more than `most` of it: then it is collected and looked again. */
  constructor(most: number) {
    this.#most = most;
    collect();
    this.#before = used();
    this.#timer = setInterval(() => this.look(), EVERY_MS);
  }

  /** Bytes above the beginning, at most. */
  get peak(): number {
    this.look();
    return this.#peak;
  }

  look(): void {
    if (used() - this.#before > Math.max(this.#most, this.#peak)) collect();
    this.#peak = Math.max(this.#peak, used() - this.#before);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function used(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
