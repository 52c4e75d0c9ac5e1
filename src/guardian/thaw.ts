import { setTimeout as sleep } from "node:timers/promises";
import { type Freezer, isKernelFrozen, isTraced, setKernelFrozen } from "./freezer.js";

/** A task as the daemon sees it. */
export interface SeenTask {
  /** Its process, as the daemon counts. */
  readonly pid: number;
  /** Whether it is paused, or about to be. */
  readonly paused: boolean;
  /** Whether its process has ended, where that is asked for. */
  readonly ended?: boolean | undefined;
}

/** A task that may have to be resumed. */
export interface FrozenTask {
  /** The process it had when it was paused: a task made anew is another one. */
  readonly pid: number;
  /** The kernel's own switch, where it is seen from here. */
  freezer(): Promise<Freezer | undefined>;
  /** What the daemon sees; `undefined` when there is no task. */
  look(): Promise<SeenTask | undefined>;
  /** Resumes it; `false` when the daemon will not. Throws when there is no answer. */
  resume(): Promise<boolean>;
  /** Whether its pause is still to be ended; asked right before anything is done to it. */
  isToEnd?(): Promise<boolean>;
}

/**
 * What became of it: resumed; healed, because daemon and kernel were of two minds; it ran already; it is gone, or is not to be touched
 * any more; or they are of two minds still.
 */
export type Thawed = "resumed" | "healed" | "ran" | "gone" | "split";

const SECOND_LOOK_MS = 50;

/**
 * Looks at a task once, and makes it run. When criu is killed, the kernel lets the task run while its shim believes it paused,
 * and then neither pauses nor resumes it: frozen once more behind the shim's back, it can be resumed. The other way round
 * the kernel alone has to let go.
 */
export async function thaw(task: FrozenTask): Promise<Thawed> {
  const seen = await task.look();
  if (seen?.pid !== task.pid) return "gone";
  if (!seen.paused) return (await isHeldByKernel(task)) ? release(task) : seen.ended === true ? "gone" : "ran";
  if (!(await isToEnd(task))) return "gone";
  if (await task.resume()) return "resumed";
  // It may have been resumed meanwhile. While criu traces it, criu alone may touch the freezer.
  if ((await task.look())?.paused !== true) return "ran";
  const freezer = await task.freezer();
  if (freezer === undefined || (await isTraced(task.pid))) return "split";
  if ((await isKernelFrozen(freezer)) !== false) return "split";
  if (!(await isToEnd(task))) return "gone";
  await setKernelFrozen(freezer, true);
  let healed = false;
  try {
    healed = await task.resume();
  } finally {
    // It ran before, whatever its shim believed.
    if (!healed) await setKernelFrozen(freezer, false);
  }
  return healed ? "healed" : "split";
}

async function isToEnd(task: FrozenTask): Promise<boolean> {
  return (await task.isToEnd?.()) ?? true;
}

/** Whoever is just pausing it has frozen it before the shim says so: only what lasts counts. */
async function isHeldByKernel(task: FrozenTask): Promise<boolean> {
  const freezer = await task.freezer();
  if (freezer === undefined || (await isKernelFrozen(freezer)) !== true) return false;
  await sleep(SECOND_LOOK_MS);
  if ((await task.look())?.paused !== false || (await isTraced(task.pid))) return false;
  return (await isKernelFrozen(freezer)) === true && (await isToEnd(task));
}

async function release(task: FrozenTask): Promise<Thawed> {
  const freezer = await task.freezer();
  if (freezer !== undefined) await setKernelFrozen(freezer, false);
  return "healed";
}
