import { toListener } from "../content/listener.js";

/**
 * Where a checkpoint or a restore is.
 *
 * @inline
 */
export interface OperationProgress {
  /**
   * The step. Of a checkpoint: `prepare`, `pause`, `capture`, `resume`, `write`, `register`, `exit`, `done`; of a restore:
   * `unpack`, `snapshot`, `rw`, `container`.
   */
  readonly phase: string;
  /** The part that grew, while parts are captured. */
  readonly part?: "task" | "rw";
  /** Bytes of that part in the daemon's store so far. */
  readonly bytes?: number;
}

/** Tells the caller where an operation is. A listener that throws cannot harm the operation: its error is thrown on its own. */
export class Progress {
  /** Whether anybody listens. */
  readonly wanted: boolean;
  readonly #listener: (progress: OperationProgress) => void;
  #phase = "";

  constructor(listener: ((progress: OperationProgress) => void) | undefined) {
    this.wanted = listener !== undefined;
    this.#listener = toListener(listener);
  }

  enter(phase: string): void {
    this.#phase = phase;
    this.#tell({ phase });
  }

  bytes(part: "task" | "rw", bytes: number): void {
    this.#tell({ phase: this.#phase, part, bytes });
  }

  #tell(progress: OperationProgress): void {
    this.#listener(progress);
  }
}
