import { setTimeout as sleep } from "node:timers/promises";
import { isNotFound } from "../errors.js";
import type { Task } from "./task.js";

const DISCARD_MS = 30_000;
const LONGEST_REST_MS = 1_000;

/**
 * Removes a task that could not be restored, on its own deadline. It cannot be waited for: nothing of it ever ran. When
 * the daemon cannot do it, `reason` stays the error to report.
 */
export async function discardTask(task: Task, reason: unknown): Promise<void> {
  const end = performance.now() + DISCARD_MS;
  for (let rest = 25; ; rest = Math.min(rest * 2, LONGEST_REST_MS)) {
    const call = { timeoutMs: Math.max(end - performance.now(), 1) };
    try {
      await task.delete(call);
      return;
    } catch (failure) {
      if (isNotFound(failure)) return;
      if (performance.now() + rest > end)
        throw new AggregateError([reason, failure], `Task ${task.id} could not be restored, and not be removed`);
    }
    // A restore whose call was given up may have succeeded since.
    await task.kill("SIGKILL", { ...call, all: true }).catch(() => {});
    await sleep(rest);
  }
}
