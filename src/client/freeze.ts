import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { AbortedError, isContainerdError } from "../errors.js";
import type { DaemonDumps } from "../guardian/daemon-dumps.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import type { Operation } from "./operation.js";
import { TaskPause } from "./pause.js";
import type { Services } from "./services.js";
import { isInVfork } from "./vfork.js";

const MOST_PAUSES = 25;
const RELEASE_MS = 60_000;

/** The time a task stands still for a checkpoint. */
export interface Pause {
  /**
   * Sees that the task stands still yet, by a call of its own.
   *
   * @throws {AbortedError} when somebody else has resumed it
   */
  require(): Promise<void>;
  /**
   * Resolves when the task runs again.
   *
   * @throws {AbortedError} when somebody else had resumed it before
   */
  end(): Promise<void>;
  /**
   * Resolves when nobody has to know of the pause any more, and the blob that was to be written after it is there.
   *
   * @throws {DeadlineExceededError} when it was longer than allowed; the task runs all the same
   */
  forget(): Promise<void>;
  ms(): number;
}

/** What a pause is to know of. */
interface FreezeBeside {
  /** Written when nobody has to know of the pause any more. */
  readonly blob: { readonly bytes: Uint8Array; readonly write: () => Promise<unknown> } | undefined;
  /** Where the daemon may leave the task's memory. */
  readonly dumps: DaemonDumps | undefined;
}

/**
 * Pauses a running task, at a moment that criu can dump, with a guardian beside it; one that does not run, or was paused by
 * somebody else, is left as it is.
 */
export async function freeze(
  services: Services,
  { task, record, status }: CheckpointTarget,
  dump: boolean,
  { blob, dumps }: FreezeBeside,
  operation: Operation,
): Promise<Pause> {
  if (task === undefined || status !== "running") {
    return {
      require: async () => {},
      end: async () => {},
      forget: async () => void (await blob?.write()),
      ms: () => 0,
    };
  }
  const watch = await operation.watchPause(task, record, { blob: blob?.bytes, dumps });
  const pause = new TaskPause(services, task);
  operation.onFailure(`pause of ${task.id}`, async () => {
    try {
      await pause[Symbol.asyncDispose]();
    } catch (reason) {
      operation.abandonPause(task);
      throw reason;
    }
    await watch.settle();
  });
  operation.enter("pause");
  const { signal } = operation.call;
  for (let attempt = 1; ; attempt++) {
    watch.pausing();
    const frozen = await begun(pause, { signal }, attempt === MOST_PAUSES);
    if (frozen && (!dump || attempt === MOST_PAUSES || !(await isInVfork(task.pid)))) break;
    await pause[Symbol.asyncDispose]();
    await sleep(attempt);
  }
  watch.paused();
  const startedAt = performance.now();
  let endedAt: number | undefined;
  const requireUnbroken = (broken: boolean) => {
    if (!broken) return;
    watch.requireInTime();
    throw new AbortedError(`Cannot checkpoint container ${task.id}: somebody resumed it while it was captured`, {
      hint: "Memory and files may not be of one instant. Try again.",
    });
  };
  return {
    require: async () => requireUnbroken((await task.status({ signal })).status === "running"),
    end: async () => {
      if (endedAt !== undefined) return;
      await pause[Symbol.asyncDispose]();
      endedAt = performance.now();
      requireUnbroken(pause.broken);
      await watch.resumed();
    },
    forget: () => watch.release({ timeoutMs: RELEASE_MS }),
    ms: () => (endedAt ?? performance.now()) - startedAt,
  };
}

/** Whether a pause began; it may not when processes come and go faster than they can be stopped. */
async function begun(pause: TaskPause, call: CallOptions, last: boolean): Promise<boolean> {
  try {
    await pause.begin(call);
    return true;
  } catch (reason) {
    if (last || !isContainerdError(reason, "aborted")) throw reason;
    return false;
  }
}
