import { setImmediate as turn } from "node:timers/promises";
import { type CheckpointPlan, type CheckpointWay, criuEnds } from "../checkpoint/plan.js";
import { isKernelFrozen, killFrozen } from "../guardian/freezer.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import { isSilence } from "./clean-up.js";
import { type Dump, dumpTask } from "./dump.js";
import { freeze, type Pause } from "./freeze.js";
import type { Operation } from "./operation.js";
import type { CapturePrepared, PackRW } from "./prepare-capture.js";
import type { Progress } from "./progress.js";
import { freezerOfRecord } from "./recovery/frozen-task.js";
import { daemonDumps, removeStrayDumps, STRAY_DUMP } from "./recovery/stray-dumps.js";
import type { Services } from "./services.js";
import { together } from "./together.js";
import { watchIngests } from "./watch-ingests.js";

/** Memory and filesystem of one instant, in the daemon's store. */
export interface Captured {
  readonly at: Date;
  readonly way: CheckpointWay;
  /** Milliseconds of criu's dump; in the daemon's way with its packing. */
  readonly dumpMs: number;
  /** Milliseconds it took to pack what lies in a directory. */
  readonly packMs: number;
  readonly task?: Descriptor | undefined;
  readonly spec?: Descriptor | undefined;
  readonly rw?: Descriptor | undefined;
  /** Ends the pause if it still lasts, and the task before that when `exit` says so. Resolves to how long the pause was. */
  release(exit: boolean): Promise<number>;
}

const EXIT_MS = 30_000;

/**
 * Captures memory and writable layer inside one pause. Without an exit the pause ends here, before what lies in a
 * directory is packed; with one it lasts until the checkpoint is registered.
 */
export async function capture(
  services: Services,
  plan: CheckpointPlan,
  target: CheckpointTarget,
  prepared: CapturePrepared,
  operation: Operation,
  progress: Progress,
): Promise<Captured> {
  const { task } = target;
  const throughDaemon = task !== undefined && target.parts.task && prepared.directory === undefined;
  if (criuEnds(plan) && task !== undefined) await operation.announce("ended", task);
  if (throughDaemon) await operation.announce("temporary", task);
  const { criuOptions } = prepared;
  const subject = { containerId: target.record.id, startedAt: new Date() };
  const dumps = throughDaemon ? await daemonDumps(services, subject, operation.call) : undefined;
  let cutOff = false;
  // Registered before the pause, so that the task runs again by then.
  if (throughDaemon) {
    operation.onFailure(STRAY_DUMP, async () => {
      if (cutOff) await removeStrayDumps(dumps);
    });
  }
  const pause = await freeze(
    services,
    target,
    target.parts.task && services.local,
    { blob: plan.exit ? undefined : criuOptions, dumps },
    operation,
  );
  operation.enter("capture");
  const at = new Date();
  const stopWatching = progress.wanted ? watchIngests(services, operation, progress) : () => {};
  try {
    const { packRW, dump } = await dumpAndCaptureRW(services, plan, target, prepared, operation, (reason) => {
      cutOff = operation.call.signal?.aborted === true || isSilence(reason);
    });
    if (plan.exit) {
      if (!criuEnds(plan)) await pause.require();
    } else {
      operation.enter("resume");
      await pause.end();
    }
    operation.enter("write");
    const packingSince = performance.now();
    const packing = packRW?.() ?? Promise.resolve(undefined);
    const stays = prepared.keepsDump === true && prepared.directory !== undefined;
    const [, stored, rw] = await together([
      plan.exit ? criuOptions?.write() : pause.forget(),
      stays ? undefined : dump?.descriptors(packing, operation),
      packing,
    ]);
    const packMs = prepared.directory === undefined ? 0 : performance.now() - packingSince;
    if (!stays) {
      prepared.directory?.remove().catch(() => {
        // It is tried again at the end, and told then.
      });
    }
    if (criuEnds(plan) && stored !== undefined) {
      operation.rescue(`it keeps ${stored.task.digest}, the memory of a task that criu has ended, until it expires`);
    }
    return {
      at,
      way: prepared.directory === undefined ? "daemon" : "directory",
      dumpMs: dump?.ms ?? 0,
      packMs,
      task: stored?.task,
      spec: stored?.spec,
      rw,
      release: async (exit) => {
        if (exit) {
          operation.enter("exit");
          await endTask(services, target, criuEnds(plan), pause);
        }
        return pause.ms();
      },
    };
  } finally {
    stopWatching();
  }
}

async function dumpAndCaptureRW(
  services: Services,
  plan: CheckpointPlan,
  target: CheckpointTarget,
  { captureRW, directory }: CapturePrepared,
  operation: Operation,
  onFailedDump: (reason: unknown) => void,
): Promise<{ readonly packRW: PackRW | undefined; readonly dump: Dump | undefined }> {
  const stop = new AbortController();
  const signals = [operation.call.signal, stop.signal].filter((signal) => signal !== undefined);
  const call = { ...operation.call, signal: AbortSignal.any(signals) };
  const dumping = target.parts.task
    ? dumpTask(services, target, plan.criu, criuEnds(plan), directory, operation.call)
    : Promise.resolve(undefined);
  dumping.catch((reason: unknown) => {
    onFailedDump(reason);
    stop.abort();
  });
  // Starting a program stops this one for a moment: the dump is on its way before that.
  const begun = turn().then(() => captureRW?.begin?.(call) ?? false);
  // The pause may only end when neither is at work any more.
  const [, captured] = await Promise.allSettled([dumping, begun]);
  const dump = await dumping;
  operation.call.signal?.throwIfAborted();
  // What looks at the files of the container waits for criu, which makes directories there to look below mounts.
  return { packRW: await captureRW?.finish(captured.status === "fulfilled" && captured.value, operation.call), dump };
}

/** The frozen task gets its SIGKILL first: when the freeze ends it dies before it runs another instruction. */
async function endTask(
  services: Services,
  { task, record }: CheckpointTarget,
  criuEndsIt: boolean,
  pause: Pause,
): Promise<void> {
  if (task === undefined) return;
  const call = { timeoutMs: EXIT_MS };
  if (!criuEndsIt) {
    const exit = task.wait(call);
    // It is awaited below; until then a failure must not count as unhandled.
    exit.catch(() => {});
    // The runtime may kill the first process alone: the others would run on until the kernel has come to them.
    const freezer = await freezerOfRecord(services, record, task.pid, call);
    if (freezer !== undefined && (await isKernelFrozen(freezer)) === true) await killFrozen(freezer);
    await task.kill("SIGKILL", { ...call, all: true });
    await pause.end();
    await pause.forget();
    await exit;
  } else {
    await task.wait(call);
  }
}
