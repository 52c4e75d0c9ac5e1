import { setTimeout as sleep } from "node:timers/promises";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import type { Operation } from "./operation.js";
import { isInVfork } from "./vfork.js";

const MOST_PAUSES = 25;

/** The time a task stands still for a checkpoint. */
export interface Pause {
  end(): Promise<void>;
  ms(): number;
}

/**
 * Pauses a running task, at a moment that criu can dump; one that does not run, or was paused by somebody else, is left as
 * it is.
 */
export async function freeze({ task, status }: CheckpointTarget, dump: boolean, operation: Operation): Promise<Pause> {
  if (task === undefined || status !== "running") return { end: async () => {}, ms: () => 0 };
  operation.enter("pause");
  let pause = await task.pause({ signal: operation.call.signal });
  for (let attempt = 1; dump && attempt < MOST_PAUSES && (await isInVfork(task.pid)); attempt++) {
    await pause[Symbol.asyncDispose]();
    await sleep(attempt);
    pause = await task.pause({ signal: operation.call.signal });
  }
  const startedAt = performance.now();
  operation.onFailure(`pause of ${task.id}`, async () => pause[Symbol.asyncDispose]());
  let endedAt: number | undefined;
  return {
    end: async () => {
      if (endedAt !== undefined) return;
      await pause[Symbol.asyncDispose]();
      endedAt = performance.now();
    },
    ms: () => (endedAt ?? performance.now()) - startedAt,
  };
}
