import { setTimeout as sleep } from "node:timers/promises";
import { CallFailure, type DaemonCalls } from "./daemon-calls.js";
import { isThere } from "./freezer.js";
import type { WatchedPause } from "./messages.js";
import { type FrozenTask, thaw } from "./thaw.js";

const CALL_MS = 10_000;
const SHORTEST_REST_MS = 20;
const LONGEST_REST_MS = 500;
// A pause that a dead process asked for may still reach the daemon.
const LATE_PAUSE_MS = 5_000;
// criu may still put back the freeze it found.
const AFTERMATH_MS = 2_000;
const ALL_TRIED_MS = 24 * 60 * 60 * 1000;

/**
 * Ends a pause, however long that takes: until the task runs, or is gone, in the daemon's eyes and in the kernel's. `certain`
 * says that the daemon is known to have paused it; else the pause may still be on its way.
 */
export async function endPause(calls: DaemonCalls, pause: WatchedPause, certain: boolean): Promise<void> {
  const end = Date.now() + ALL_TRIED_MS;
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
  for (let rest = SHORTEST_REST_MS; Date.now() < end; rest = Math.min(rest * 2, LONGEST_REST_MS)) {
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
      if (pause.freezer !== undefined && !isThere(pause.pid)) return;
      // A daemon that goes away once the task runs leaves nothing to wait for but the time that is waited anyway.
      if (!seenRunning) quietSince = Date.now();
      else if (Date.now() - quietSince > LATE_PAUSE_MS) return;
    }
    await sleep(rest);
  }
}
