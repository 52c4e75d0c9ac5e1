import { setTimeout as sleep } from "node:timers/promises";
import { CallFailure, type DaemonCalls } from "./daemon-calls.js";
import { isKernelFrozen, isThere } from "./freezer.js";
import type { WatchedPause } from "./messages.js";
import { type FrozenTask, thaw } from "./thaw.js";

/** How long and how often a guardian tries, in milliseconds. */
export interface Patience {
  /** Between two tries, at most, in the beginning. */
  readonly restMs: number;
  /** How long that is the beginning. */
  readonly eagerMs: number;
  /** Between two tries afterwards. */
  readonly lateRestMs: number;
  /** Without a word of the daemon while the kernel lets the task run: what its shim believes can be put right by who recovers. */
  readonly runsMs: number;
  /** After that nobody is expected to come back. */
  readonly allMs: number;
}

const CALL_MS = 10_000;
const SHORTEST_REST_MS = 20;
// A pause that a dead process asked for may still reach the daemon.
const LATE_PAUSE_MS = 5_000;
// criu may still put back the freeze it found.
const AFTERMATH_MS = 2_000;
const PATIENCE: Patience = {
  restMs: 500,
  eagerMs: 10 * 60_000,
  lateRestMs: 5_000,
  runsMs: 10 * 60_000,
  allMs: 24 * 60 * 60 * 1000,
};

/** How a pause is ended. */
export interface PauseEnding {
  /** Whether the daemon is known to have paused the task; else the pause may still be on its way. */
  readonly certain: boolean;
  /** Ends the trying: who paused the task has resumed it. */
  readonly over?: AbortSignal | undefined;
  readonly patience?: Patience | undefined;
}

/**
 * Ends a pause: tries until the task runs, or is gone, in the daemon's eyes and in the kernel's, however long the daemon is away.
 * There is nothing left to do when the task's process is gone, or the kernel lets it run and no daemon comes that thinks otherwise;
 * and after a day who recovers has the word. Nothing is done once the lease does not speak of the pause any more: somebody took the operation
 * over, and who has paused the task since is another one.
 */
export async function endPause(
  calls: Pick<DaemonCalls, "look" | "resume" | "stands">,
  pause: WatchedPause,
  { certain, over, patience = PATIENCE }: PauseEnding,
): Promise<void> {
  const startedAt = performance.now();
  let resumed = false;
  let taken = false;
  const task: FrozenTask = {
    pid: pause.pid,
    freezer: async () => pause.freezer,
    look: async () => {
      const seen = await calls.look(pause, CALL_MS);
      // Once resumed, who pauses it again is somebody else.
      return seen?.paused === true && resumed ? undefined : seen;
    },
    isToEnd: async () => {
      taken ||= !(await calls.stands(pause, CALL_MS));
      return !taken && over?.aborted !== true;
    },
    resume: async () => {
      const done = await calls.resume(pause, CALL_MS);
      resumed ||= done;
      return done;
    },
  };
  let quietSince = performance.now();
  let seenRunning = false;
  let runsSince: number | undefined;
  for (let rest = SHORTEST_REST_MS; performance.now() - startedAt < patience.allMs && over?.aborted !== true; ) {
    try {
      const did = await thaw(task);
      if (did === "gone" || taken) return;
      const hopeless = did === "split" && pause.freezer === undefined;
      if (did !== "ran" && !hopeless) quietSince = performance.now();
      seenRunning = did !== "split";
      const known = certain || resumed;
      const quietMs = known ? (pause.freezer === undefined ? 0 : AFTERMATH_MS) : LATE_PAUSE_MS;
      if (did !== "split" && performance.now() - quietSince >= quietMs) return;
      if (hopeless && performance.now() - quietSince > LATE_PAUSE_MS) return;
    } catch (reason) {
      if (!(reason instanceof CallFailure)) throw reason;
      // Without a daemon to ask: here the process can be seen, where the freezer can.
      if (pause.freezer !== undefined) {
        if (!isThere(pause.pid)) return;
        runsSince = (await isKernelFrozen(pause.freezer)) === true ? undefined : (runsSince ?? performance.now());
        if (runsSince !== undefined && performance.now() - runsSince > patience.runsMs) return;
      }
      // A daemon that goes away once the task runs leaves nothing to wait for but the time that is waited anyway.
      if (!seenRunning) quietSince = performance.now();
      else if (performance.now() - quietSince > LATE_PAUSE_MS) return;
    }
    await sleep(rest, undefined, { signal: over }).catch(() => {
      // It is over; the loop sees that.
    });
    rest = performance.now() - startedAt < patience.eagerMs ? Math.min(rest * 2, patience.restMs) : patience.lateRestMs;
  }
}
