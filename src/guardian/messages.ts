import type { Reach } from "../rpc/session.js";
import type { DaemonDumps } from "./daemon-dumps.js";
import type { Freezer } from "./freezer.js";

/** A pause that is to end whatever happens to the process that asks for it. */
export interface WatchedPause {
  readonly namespace: string;
  readonly containerId: string;
  /** The task's process as the daemon counts it: a task made anew is another one. */
  readonly pid: number;
  /** What says on the lease that the task is paused by the operation. */
  readonly intent: { readonly lease: string; readonly id: string; readonly type: string };
  /** The kernel's own switch, where it is seen from here. */
  readonly freezer?: Freezer | undefined;
  /** Where the daemon may leave the task's memory, where that is seen from here. */
  readonly dumps?: DaemonDumps | undefined;
}

/** What the guardian is told, one JSON text a line. Each but the first names the pause it is about. */
export type ToGuardian =
  | { readonly kind: "connect"; readonly reach: Reach }
  | { readonly kind: "watch"; readonly at: number; readonly pause: WatchedPause }
  /** The pause is about to be asked for. It may last this long. */
  | { readonly kind: "pausing"; readonly at: number; readonly maxPausedMs: number }
  /** The daemon said that the task is paused. */
  | { readonly kind: "paused"; readonly at: number }
  /** From now on the pause may last as long as the process lives. */
  | { readonly kind: "hold"; readonly at: number }
  /** The pause is to be ended now: who paused the task could not do it. */
  | { readonly kind: "end"; readonly at: number }
  /** The task runs again: the pause needs no guardian any more. */
  | { readonly kind: "done"; readonly at: number };

/** What the guardian says. */
export type FromGuardian =
  /** The daemon answered on the guardian's own connection. */
  | { readonly kind: "watching"; readonly at: number }
  /** It did not, and there is no use in waiting for it. */
  | { readonly kind: "unable"; readonly at: number; readonly message: string }
  /** The pause lasted too long, and is being ended. */
  | { readonly kind: "overrun"; readonly at: number }
  /** Answers `hold` and `done`. */
  | { readonly kind: "noted"; readonly at: number };

/** Splits what comes through a pipe into messages. */
export class MessageReader<T> {
  readonly #take: (message: T) => void;
  #rest = "";

  constructor(take: (message: T) => void) {
    this.#take = take;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(JSON.parse(line) as T);
  }
}

/** A message as it goes through a pipe. */
export function messageText(message: ToGuardian | FromGuardian): string {
  return `${JSON.stringify(message)}\n`;
}
