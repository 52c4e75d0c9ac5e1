import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { isContainerdError, isNotFound } from "../errors.js";

// Long enough for a daemon to be restarted by its supervisor.
const CLEANUP_MS = 60_000;
const LONGEST_REST_MS = 1_000;
// A daemon that was away for longer still finds leases and locks of a process that lives, which nobody else would dare to touch.
const LATER_MS = 24 * 60 * 60 * 1000;
const LATER_CALL_MS = 10_000;
const LONGEST_LATER_REST_MS = 30_000;

/** Undoes one thing. That it is gone already is as good. */
export type Undo = (call: CallOptions) => Promise<unknown>;

/** How long is tried, in milliseconds. */
interface Patience {
  /** While the caller waits. */
  readonly tryMs: number;
  /** Between tries after that. */
  readonly laterRestMs: number;
}

/** What is to be undone after some work, newest first, each on a deadline of its own: the caller's signal plays no part. */
export class CleanUp {
  readonly #onFailure: { readonly what: string; readonly undo: Undo }[] = [];
  readonly #atEnd: {
    readonly what: string;
    readonly undo: (call: CallOptions, failed: boolean) => Promise<unknown>;
  }[] = [];
  readonly #patience: Patience;

  constructor(patience: Patience = { tryMs: CLEANUP_MS, laterRestMs: LONGEST_REST_MS }) {
    this.#patience = patience;
  }

  /** To be done when the work fails. `what` names it should that fail too. */
  onFailure(what: string, undo: Undo): void {
    this.#onFailure.unshift({ what, undo });
  }

  /**
   * To be done however the work ends, after what is only done on failure. Where the daemon does not answer it is tried again later,
   * while nobody waits.
   */
  atEnd(what: string, undo: (call: CallOptions, failed: boolean) => Promise<unknown>): void {
    this.#atEnd.unshift({ what, undo });
  }

  /** Does it, and says what could not be done. */
  async run(failed: boolean): Promise<string[]> {
    const left: string[] = [];
    const later: Undo[] = [];
    const attempt = async (what: string, undo: Undo) => {
      const problem = await insist(undo, this.#patience.tryMs);
      if (problem !== undefined) left.push(`${what}: ${problem.message}`);
      return problem;
    };
    if (failed) for (const { what, undo } of this.#onFailure.splice(0)) await attempt(what, undo);
    for (const { what, undo } of this.#atEnd.splice(0)) {
      const same: Undo = (call) => undo(call, failed);
      if (isSilence(await attempt(what, same))) later.push(same);
    }
    if (later.length > 0) tryLater(later, this.#patience.laterRestMs, Date.now() + LATER_MS);
    return left;
  }
}

/** Tries again now and then, in the same order, as long as this process lives and there is hope. Does not keep it alive. */
function tryLater(undos: readonly Undo[], restMs: number, end: number): void {
  const again = async () => {
    for (const [at, undo] of undos.entries()) {
      const problem = await undo({ timeoutMs: LATER_CALL_MS }).catch((reason: unknown) => reason);
      if (!isSilence(problem)) continue;
      if (Date.now() < end) tryLater(undos.slice(at), Math.min(restMs * 2, LONGEST_LATER_REST_MS), end);
      return;
    }
  };
  setTimeout(() => void again(), restMs).unref();
}

/** Whether there was no answer, so that there may be one later. */
function isSilence(reason: unknown): boolean {
  return isContainerdError(reason, "unavailable") || isContainerdError(reason, "deadline_exceeded");
}

/** Tries until it works, until the object is gone, or until the deadline. */
async function insist(undo: Undo, tryMs: number): Promise<Error | undefined> {
  const end = Date.now() + tryMs;
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
