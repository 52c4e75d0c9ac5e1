import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { FailedPreconditionError, isFailedPrecondition, isNotFound } from "../errors.js";
import { thaw } from "../guardian/thaw.js";
import { frozenTask, isUnanswered } from "./recovery/frozen-task.js";
import type { Services } from "./services.js";
import type { Task } from "./task.js";

// Long enough for a daemon to be restarted by its supervisor.
const RESUME_MS = 60_000;
const FREEZE_MS = 30_000;
const LONGEST_REST_MS = 1_000;

/**
 * Pauses a task until the result is disposed. The caller's signal is looked at before and after, never in between: an
 * aborted call must not leave the task frozen.
 */
export async function pauseTask(services: Services, task: Task, call: CallOptions): Promise<AsyncDisposable> {
  const pause = new TaskPause(services, task);
  try {
    await pause.begin(call);
  } catch (reason) {
    await pause[Symbol.asyncDispose]();
    throw reason;
  }
  return pause;
}

/** A pause of a task, which ends when it is disposed. It may be begun again after that. */
export class TaskPause implements AsyncDisposable {
  readonly #services: Services;
  readonly #task: Task;
  #maybePaused = false;
  #broken = false;
  #ending: Promise<void> | undefined;

  constructor(services: Services, task: Task) {
    this.#services = services;
    this.#task = task;
  }

  /** Whether somebody else had resumed the task before it was to be resumed. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Pauses the task. When this fails, it may be paused all the same until it is disposed. */
  async begin({ signal, timeoutMs = FREEZE_MS }: CallOptions): Promise<void> {
    signal?.throwIfAborted();
    this.#maybePaused = true;
    this.#broken = false;
    try {
      await this.#task.freeze({ timeoutMs });
    } catch (reason) {
      // Refused means not paused by us. Anything else may have paused it, or begun to.
      this.#maybePaused = !isFailedPrecondition(reason) && !isNotFound(reason);
      throw reason;
    }
    signal?.throwIfAborted();
  }

  [Symbol.asyncDispose](): Promise<void> {
    // Whoever asks once more after a failure gets another minute.
    this.#ending ??= this.#end().finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  async #end(): Promise<void> {
    if (!this.#maybePaused) return;
    this.#broken = (await resumeAtAllCosts(this.#services, this.#task)) === "ran";
    this.#maybePaused = false;
  }
}

/** Tries until the task runs, is gone, or a minute has passed. Resolves to `ran` when it surely was somebody else who resumed it. */
async function resumeAtAllCosts(services: Services, { id, pid }: Task): Promise<"resumed" | "ran"> {
  const end = performance.now() + RESUME_MS;
  const task = frozenTask(services, id, pid, () => ({ timeoutMs: Math.max(end - performance.now(), 1) }));
  let ran = false;
  let unanswered = false;
  const look = async () => {
    const seen = await task.look();
    ran ||= seen?.pid === pid && !seen.paused && seen.ended !== true;
    return seen;
  };
  for (let rest = 25; ; rest = Math.min(rest * 2, LONGEST_REST_MS)) {
    try {
      // Without looking first: every round trip would be part of the pause.
      if ((await task.resume()) || (await thaw({ ...task, look })) !== "split") {
        return ran && !unanswered ? "ran" : "resumed";
      }
      if (performance.now() + rest > end) {
        throw new FailedPreconditionError(`Cannot resume container ${id}: the daemon neither resumes nor pauses it`, {
          hint: "criu was killed while it dumped. On the daemon's machine: containerd-client recover, or freeze and thaw its cgroup.",
        });
      }
    } catch (reason) {
      if (!isUnanswered(reason) || performance.now() + rest > end) throw reason;
      // It may have been carried out.
      unanswered = true;
    }
    await sleep(rest);
  }
}
