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

/**
 * Ends a pause: tries until the task runs, or is gone, in the daemon's eyes and in the kernel's, however long the daemon is away.
 * There is nothing left to do when the task's process is gone, or the kernel lets it run and no daemon comes that thinks otherwise;
 * and after a day who recovers has the word. `certain` says that the daemon is known to have paused it; else the pause may still
 * be on its way.
 */
export async function endPause(
  calls: Pick<DaemonCalls, "look" | "resume">,
  pause: WatchedPause,
  certain: boolean,
  patience: Patience = PATIENCE,
): Promise<void> {
  const startedAt = Date.now();
  let resumed = false;
  const task: FrozenTask = {
    pid: pause.pid,
    freezer: async () => pause.freezer,
    look: async () => {
      const seen = await calls.look(pause, CALL_MS);
      // Once resumed, who pauses it again is somebody else.
      return seen?.paused === true && resumed ? undefined : seen;
    },
    resume: async () => {
      const done = await calls.resume(pause, CALL_MS);
      resumed ||= done;
      return done;
    },
  };
  let quietSince = Date.now();
  let seenRunning = false;
  let runsSince: number | undefined;
  for (let rest = SHORTEST_REST_MS; Date.now() - startedAt < patience.allMs; ) {
    try {
      const did = await thaw(task);
      if (did === "gone") return;
      const hopeless = did === "split" && pause.freezer === undefined;
      if (did !== "ran" && !hopeless) quietSince = Date.now();
      seenRunning = did !== "split";
      const over = certain || resumed;
      const quietMs = over ? (pause.freezer === undefined ? 0 : AFTERMATH_MS) : LATE_PAUSE_MS;
      if (did !== "split" && Date.now() - quietSince >= quietMs) return;
      if (hopeless && Date.now() - quietSince > LATE_PAUSE_MS) return;
    } catch (reason) {
      if (!(reason instanceof CallFailure)) throw reason;
      // Without a daemon to ask: here the process can be seen, where the freezer can.
      if (pause.freezer !== undefined) {
        if (!isThere(pause.pid)) return;
        runsSince = (await isKernelFrozen(pause.freezer)) === true ? undefined : (runsSince ?? Date.now());
        if (runsSince !== undefined && Date.now() - runsSince > patience.runsMs) return;
      }
      // A daemon that goes away once the task runs leaves nothing to wait for but the time that is waited anyway.
      if (!seenRunning) quietSince = Date.now();
      else if (Date.now() - quietSince > LATE_PAUSE_MS) return;
    }
    await sleep(rest);
    rest = Date.now() - startedAt < patience.eagerMs ? Math.min(rest * 2, patience.restMs) : patience.lateRestMs;
  }
}
