import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { isContainerdError, isNotFound } from "../errors.js";
import type { Task } from "./task.js";

// Long enough for a daemon to be restarted by its supervisor.
const RESUME_MS = 60_000;
const FREEZE_MS = 30_000;
const LONGEST_REST_MS = 1_000;

/**
 * Pauses a task until the result is disposed. The caller's signal is looked at before and after, never in between: an
 * aborted call must not leave the task frozen.
 */
export async function pauseTask(task: Task, call: CallOptions): Promise<AsyncDisposable> {
  call.signal?.throwIfAborted();
  const pause = new TaskPause(task);
  try {
    await task.freeze({ timeoutMs: call.timeoutMs ?? FREEZE_MS });
    call.signal?.throwIfAborted();
  } catch (reason) {
    // Refused means not paused by us. Anything else may have paused it.
    if (!isContainerdError(reason) || isAmbiguous(reason)) await pause[Symbol.asyncDispose]();
    throw reason;
  }
  return pause;
}

class TaskPause implements AsyncDisposable {
  readonly #task: Task;
  #ended: Promise<void> | undefined;

  constructor(task: Task) {
    this.#task = task;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ended ??= resumeAtAllCosts(this.#task).catch((reason: unknown) => {
      // Whoever asks once more gets another minute.
      this.#ended = undefined;
      throw reason;
    });
    return this.#ended;
  }
}

/** Tries until the task runs, is gone, or a minute has passed. */
async function resumeAtAllCosts(task: Task): Promise<void> {
  const end = Date.now() + RESUME_MS;
  for (let rest = 25; ; rest = Math.min(rest * 2, LONGEST_REST_MS)) {
    const call = { timeoutMs: Math.max(end - Date.now(), 1) };
    try {
      await task.resume(call);
      return;
    } catch (reason) {
      if (!isAmbiguous(reason) && !(await isFrozen(task, call))) return;
      if (Date.now() + rest > end) throw reason;
    }
    await sleep(rest);
  }
}

async function isFrozen(task: Task, call: CallOptions): Promise<boolean> {
  try {
    const { status } = await task.status(call);
    return status === "paused" || status === "pausing";
  } catch (reason) {
    return !isNotFound(reason);
  }
}

function isAmbiguous(reason: unknown): boolean {
  return (
    isContainerdError(reason, "unavailable") ||
    isContainerdError(reason, "deadline_exceeded") ||
    isContainerdError(reason, "canceled")
  );
}
