import type { Bench } from "./bench.js";

/** What the figures of a line must show. */
export interface Goal {
  /** Whether the ratio to the peer is meant, or our own median. */
  readonly of: "ratio" | "median";
  readonly sign: "≥" | "≤" | "<";
  readonly bound: number;
}

/** One line of the table: what is measured, ours, and who it is compared with. */
export interface Line {
  readonly what: string;
  readonly unit: "MB/s" | "ms" | "µs" | "calls/s" | "blobs/s" | "calls" | "MiB";
  /** Who else did it; nobody when absent. */
  readonly peer?: string | undefined;
  /** Nothing is asked of a line without one: it says the figure. */
  readonly goal?: Goal | undefined;
}

/** Something that is measured, in a file of its own in rows/. */
export interface Row {
  /** The name to ask for it by. */
  readonly name: string;
  readonly lines: readonly Line[];
  /** Measures, looks whether what was measured was done right, and adds the figures. */
  run(bench: Bench): Promise<void>;
}

/** The ratio to the peer must be at least this. */
export function atLeast(bound: number): Goal {
  return { of: "ratio", sign: "≥", bound };
}

/** The ratio to the peer must be at most this. */
export function atMost(bound: number): Goal {
  return { of: "ratio", sign: "≤", bound };
}

/** The ratio to the peer must be below 1. */
export const fewer: Goal = { of: "ratio", sign: "<", bound: 1 };

/** Our own median must be below this. */
export function below(bound: number): Goal {
  return { of: "median", sign: "<", bound };
}
