import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { isAlreadyExists, isContainerdError, isNotFound } from "../errors.js";

// A call that makes something has this long.
const MAKE_MS = 60_000;
// A caller who gave up does not wait for a silent daemon.
const HEARD_MS = 300;
// Long enough for a daemon to be restarted by its supervisor.
const CLEANUP_MS = 60_000;
const LONGEST_REST_MS = 1_000;
const FIRST_TRY_MS = 2_000;
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

/** Something to be undone, what it is called, and when it is known whether it was made at all. */
interface Step {
  readonly what: string;
  readonly undo: (call: CallOptions, failed: boolean) => Promise<unknown>;
  readonly made?: Making | undefined;
}

/** A call that makes something: whether it still may, did, or found that somebody else had made the same. */
interface Making {
  readonly over: Promise<void>;
  state: "unknown" | "over" | "refused";
}

/** What is to be undone after some work, newest first, each on a deadline of its own: the caller's signal plays no part. */
export class CleanUp {
  readonly #onFailure: Step[] = [];
  readonly #atEnd: Step[] = [];
  #hold: Step | undefined;
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
  atEnd(what: string, undo: Undo): void {
    this.#atEnd.unshift({ what, undo });
  }

  /**
   * Makes something by one short call, to be undone when the work fails. The signal ends the wait and not the call: one given up
   * half-way may still be carried out after it was undone. From a daemon that stays silent it is undone once that has answered.
   */
  make<T>(what: string, make: (call: CallOptions) => Promise<T>, undo: Undo, signal?: AbortSignal): Promise<T> {
    return begun(make, signal, (made) => this.#onFailure.unshift({ what, undo, made }));
  }

  /** In the same way, what everything else stands on: it ends however the work does, and after all else was undone. */
  hold<T>(what: string, make: (call: CallOptions) => Promise<T>, end: Step["undo"], signal?: AbortSignal): Promise<T> {
    return begun(make, signal, (made) => {
      this.#hold = { what, undo: end, made };
    });
  }

  /** Does it, and says what could not be done. */
  async run(failed: boolean): Promise<string[]> {
    const left: string[] = [];
    const later: Step[] = [];
    const done = new AbortController();
    const late = sleep(HEARD_MS, undefined, { signal: done.signal }).catch(() => {});
    const attempt = async (step: Step, again: boolean, waits = false) => {
      await (step.made === undefined ? undefined : Promise.race([step.made.over, late]));
      if (step.made?.state === "refused") return;
      if (waits || step.made?.state === "unknown") {
        left.push(`${step.what}: the daemon has not answered yet`);
        later.push(step);
        return;
      }
      const problem = await insist((call) => step.undo(call, failed), this.#patience.tryMs);
      if (problem === undefined) return;
      left.push(`${step.what}: ${problem.message}`);
      if (again && isSilence(problem)) later.push(step);
    };
    if (failed) for (const step of this.#onFailure.splice(0)) await attempt(step, false);
    const isUnknown = later.length > 0;
    for (const step of this.#atEnd.splice(0)) await attempt(step, true);
    const hold = this.#hold;
    this.#hold = undefined;
    if (hold !== undefined) await attempt(hold, true, isUnknown);
    done.abort();
    if (later.length > 0) this.#tryLater(later, failed);
    return left;
  }

  #tryLater(steps: readonly Step[], failed: boolean): void {
    const undos = steps.map(({ made, undo }): Undo => {
      return async (call) => {
        await made?.over;
        if (made?.state !== "refused") await undo(call, failed);
      };
    });
    tryLater(undos, this.#patience.laterRestMs, performance.now() + LATER_MS);
  }
}

/** Begins a call that the signal does not reach, and waits for it until the signal says so. */
async function begun<T>(
  make: (call: CallOptions) => Promise<T>,
  signal: AbortSignal | undefined,
  keep: (made: Making) => void,
): Promise<T> {
  signal?.throwIfAborted();
  const made = make({ timeoutMs: MAKE_MS });
  const over = made.then(
    () => {
      making.state = "over";
    },
    (reason: unknown) => {
      making.state = isAlreadyExists(reason) ? "refused" : "over";
    },
  );
  const making: Making = { over, state: "unknown" };
  keep(making);
  const gaveUp = new AbortController();
  try {
    const result = await Promise.race([made, aborted(signal, gaveUp.signal)]);
    signal?.throwIfAborted();
    return result;
  } finally {
    gaveUp.abort();
  }
}

/** Rejects when the signal says so, unless nobody waits for it by then. */
function aborted(signal: AbortSignal | undefined, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true, signal: over });
  });
}

/** Tries again now and then, in the same order, as long as this process lives and there is hope. Does not keep it alive. */
function tryLater(undos: readonly Undo[], restMs: number, end: number): void {
  const again = async () => {
    for (const [at, undo] of undos.entries()) {
      const problem = await undo({ timeoutMs: LATER_CALL_MS }).catch((reason: unknown) => reason);
      if (!isSilence(problem)) continue;
      if (performance.now() < end) tryLater(undos.slice(at), Math.min(restMs * 2, LONGEST_LATER_REST_MS), end);
      return;
    }
  };
  setTimeout(() => void again(), restMs).unref();
}

/** Whether there was no answer, so that there may be one later. */
export function isSilence(reason: unknown): boolean {
  return isContainerdError(reason, "unavailable") || isContainerdError(reason, "deadline_exceeded");
}

/** Tries until it works, until the object is gone, or until the deadline; a try that gets no answer ends sooner, as its connection may hang. */
async function insist(undo: Undo, tryMs: number): Promise<Error | undefined> {
  const end = performance.now() + tryMs;
  for (let rest = 25, callMs = FIRST_TRY_MS; ; rest = Math.min(rest * 2, LONGEST_REST_MS), callMs *= 2) {
    try {
      await undo({ timeoutMs: Math.max(Math.min(end - performance.now(), callMs), 1) });
      return undefined;
    } catch (reason) {
      if (isNotFound(reason)) return undefined;
      const error = reason instanceof Error ? reason : new Error(String(reason));
      if (!isSilence(reason) || performance.now() + rest > end) return error;
    }
    await sleep(rest);
  }
}
