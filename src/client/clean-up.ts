import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { isContainerdError, isNotFound } from "../errors.js";

// Long enough for a daemon to be restarted by its supervisor.
const CLEANUP_MS = 60_000;
const LONGEST_REST_MS = 1_000;

/** Undoes one thing. That it is gone already is as good. */
export type Undo = (call: CallOptions) => Promise<unknown>;

/** What is to be undone after some work, newest first, each on a deadline of its own: the caller's signal plays no part. */
export class CleanUp {
  readonly #onFailure: { readonly what: string; readonly undo: Undo }[] = [];
  readonly #atEnd: {
    readonly what: string;
    readonly undo: (call: CallOptions, failed: boolean) => Promise<unknown>;
  }[] = [];

  /** To be done when the work fails. `what` names it should that fail too. */
  onFailure(what: string, undo: Undo): void {
    this.#onFailure.unshift({ what, undo });
  }

  /** To be done however the work ends, after what is only done on failure. */
  atEnd(what: string, undo: (call: CallOptions, failed: boolean) => Promise<unknown>): void {
    this.#atEnd.unshift({ what, undo });
  }

  /** Does it, and says what could not be done. */
  async run(failed: boolean): Promise<string[]> {
    const left: string[] = [];
    const attempt = async (what: string, undo: Undo) => {
      const problem = await insist(undo);
      if (problem !== undefined) left.push(`${what}: ${problem.message}`);
    };
    if (failed) for (const { what, undo } of this.#onFailure.splice(0)) await attempt(what, undo);
    for (const { what, undo } of this.#atEnd.splice(0)) await attempt(what, (call) => undo(call, failed));
    return left;
  }
}

/** Tries until it works, until the object is gone, or until the deadline. */
async function insist(undo: Undo): Promise<Error | undefined> {
  const end = Date.now() + CLEANUP_MS;
  for (let rest = 25; ; rest = Math.min(rest * 2, LONGEST_REST_MS)) {
    try {
      await undo({ timeoutMs: Math.max(end - Date.now(), 1) });
      return undefined;
    } catch (reason) {
      if (isNotFound(reason)) return undefined;
      const error = reason instanceof Error ? reason : new Error(String(reason));
      if (!isContainerdError(reason, "unavailable") || Date.now() + rest > end) return error;
    }
    await sleep(rest);
  }
}
