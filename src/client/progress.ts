/** Where a checkpoint is. */
export interface CheckpointProgress {
  /** The step: `prepare`, `pause`, `capture`, `resume`, `write`, `register`, `exit`, `done`. */
  readonly phase: string;
  /** The part that grew, while parts are captured. */
  readonly part?: "task" | "rw";
  /** Bytes of that part in the daemon's store so far. */
  readonly bytes?: number;
}

/** Tells the caller where an operation is. A listener that throws cannot harm the operation: its error is thrown on its own. */
export class Progress {
  readonly #listener: ((progress: CheckpointProgress) => void) | undefined;
  #phase = "";

  constructor(listener: ((progress: CheckpointProgress) => void) | undefined) {
    this.#listener = listener;
  }

  get wanted(): boolean {
    return this.#listener !== undefined;
  }

  enter(phase: string): void {
    this.#phase = phase;
    this.#tell({ phase });
  }

  bytes(part: "task" | "rw", bytes: number): void {
    this.#tell({ phase: this.#phase, part, bytes });
  }

  #tell(progress: CheckpointProgress): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    try {
      listener(progress);
    } catch (reason) {
      queueMicrotask(() => {
        throw reason;
      });
    }
  }
}
