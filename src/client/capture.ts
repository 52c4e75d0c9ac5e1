import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import type { CheckpointPlan, RWCompression } from "../checkpoint/plan.js";
import { InternalError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD } from "../oci/media-types.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import { dumpTask } from "./dump.js";
import { dumpDirectory } from "./dump-directory.js";
import { freeze, type Pause } from "./freeze.js";
import type { Operation } from "./operation.js";
import type { Progress } from "./progress.js";
import type { Services } from "./services.js";
import type { Task } from "./task.js";

/** Memory and filesystem of one instant, in the daemon's store. */
export interface Captured {
  readonly at: Date;
  readonly way: "directory" | "daemon";
  readonly task?: Descriptor | undefined;
  readonly spec?: Descriptor | undefined;
  readonly rw?: Descriptor | undefined;
  /** Ends the pause if it still lasts, and the task before that when `exit` says so. Resolves to how long the pause was. */
  release(exit: boolean): Promise<number>;
}

const rwMediaType: { readonly [C in RWCompression]: string } = {
  gzip: MEDIA_TYPE_LAYER_GZIP,
  zstd: MEDIA_TYPE_LAYER_ZSTD,
  none: MEDIA_TYPE_LAYER,
};

const EXIT_MS = 30_000;
const POLL_MS = 150;

/**
 * Dumps the memory and packs the writable layer inside one pause, both at once. Without an exit the pause ends here;
 * with one it lasts until the checkpoint is registered.
 */
export async function capture(
  services: Services,
  plan: CheckpointPlan,
  target: CheckpointTarget,
  operation: Operation,
  progress: Progress,
): Promise<Captured> {
  const packRW = target.parts.rw ? await prepareRW(services, plan, target, operation) : undefined;
  const criuEndsIt = plan.exit && plan.criu.openTcp === true;
  const directory =
    target.parts.task && plan.shortPause && !criuEndsIt ? await dumpDirectory(services, target, operation) : undefined;
  const pause = await freeze(target, target.parts.task && services.local, operation);
  operation.enter("capture");
  const at = new Date();
  const watching = progress.wanted ? watchIngests(services, operation, progress) : undefined;
  const stop = new AbortController();
  const signals = [operation.call.signal, stop.signal].filter((signal) => signal !== undefined);
  const call = { ...operation.call, signal: AbortSignal.any(signals) };
  const dumping = target.parts.task
    ? dumpTask(services, target, plan.criu, criuEndsIt, directory, call)
    : Promise.resolve(undefined);
  const packing = packRW === undefined ? Promise.resolve(undefined) : packRW(call);
  // One half failing makes the other pointless; but the pause may only end when neither is at work any more.
  for (const half of [dumping, packing]) half.catch(() => stop.abort());
  const settled = await Promise.allSettled([dumping, packing]);
  watching?.();
  operation.call.signal?.throwIfAborted();
  throwFirst(settled, stop.signal);
  const rw = await packing;
  if (!plan.exit) {
    operation.enter("resume");
    await pause.end();
  }
  operation.enter("write");
  const dump = await (await dumping)?.descriptors(rw, operation);
  if (criuEndsIt && dump !== undefined) {
    operation.rescue(`it keeps ${dump.task.digest}, the memory of a task that criu has ended, until it expires`);
  }
  return {
    at,
    way: directory === undefined ? "daemon" : "directory",
    task: dump?.task,
    spec: dump?.spec,
    rw,
    release: async (exit) => {
      if (exit) {
        operation.enter("exit");
        await endTask(target.task, criuEndsIt, pause);
      }
      return pause.ms();
    },
  };
}

function throwFirst(settled: readonly PromiseSettledResult<unknown>[], stopped: AbortSignal): void {
  const failures = settled.filter((half) => half.status === "rejected").map((half): unknown => half.reason);
  // What failed because we stopped it is not the cause.
  const cause = failures.find((reason) => reason !== stopped.reason) ?? failures[0];
  if (cause instanceof Error) throw cause;
  if (failures.length > 0) throw new InternalError("Capturing the container failed", { cause });
}

/** Everything the diff needs is made before the freeze. */
async function prepareRW(
  services: Services,
  plan: CheckpointPlan,
  { record, parent }: CheckpointTarget,
  operation: Operation,
): Promise<(call: CallOptions) => Promise<Descriptor>> {
  const snapshots = services.snapshots(record.snapshotter);
  const view = operation.ref("parent");
  operation.atEnd(`snapshot ${view}`, (call) => snapshots.remove(view, call));
  const [lower, upper] = await Promise.all([
    snapshots.view(view, parent, operation.call),
    snapshots.mounts(record.snapshotKey, operation.call),
  ]);
  const options = { mediaType: rwMediaType[plan.rwCompression], ref: operation.ref("rw") };
  return (call) => services.diffs.diff(lower, upper, { ...call, ...options });
}

/** The frozen task gets its SIGKILL first: when the freeze ends it dies before it runs another instruction. */
async function endTask(task: Task | undefined, criuEndsIt: boolean, pause: Pause): Promise<void> {
  if (task === undefined) return;
  const call = { timeoutMs: EXIT_MS };
  if (!criuEndsIt) {
    const exit = task.wait(call);
    // It is awaited below; until then a failure must not count as unhandled.
    exit.catch(() => {});
    await task.kill("SIGKILL", { ...call, all: true });
    await pause.end();
    await exit;
  } else {
    await task.wait(call);
  }
}

/** Tells how far the daemon's two writers are; what it cannot learn it leaves unsaid. */
function watchIngests(services: Services, operation: Operation, progress: Progress): () => void {
  const stop = new AbortController();
  const poll = async (): Promise<void> => {
    const call = { signal: stop.signal };
    while (!stop.signal.aborted) {
      const ours = new Set<string>();
      for await (const { id, type } of services.leases.resources(operation.lease, call)) {
        if (type === "ingests") ours.add(id);
      }
      for await (const { ref, offset } of services.content.statuses([], call)) {
        if (ours.has(ref)) progress.bytes(ref === operation.ref("rw") ? "rw" : "task", offset);
      }
      await sleep(POLL_MS, undefined, call);
    }
  };
  poll().catch(() => {
    // Progress is a courtesy: the capture itself reports what is wrong with the connection.
  });
  return () => stop.abort();
}
