import type { CallOptions } from "../call-options.js";
import { type CheckpointPlan, criuEnds, type RWCompression } from "../checkpoint/plan.js";
import { FailedPreconditionError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD } from "../oci/media-types.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import { type DumpDirectory, makeDumpDirectory } from "./dump-directory.js";
import { memoryOf, requireDumpSpace } from "./dump-space.js";
import { once } from "./once.js";
import type { Operation } from "./operation.js";
import type { Services } from "./services.js";
import { together } from "./together.js";

/** What a capture needs, made before the freeze. */
export interface CapturePrepared {
  /** Writes what the writable layer changes; absent when it is not asked for. */
  readonly packRW: ((call: CallOptions) => Promise<Descriptor>) | undefined;
  /** Where criu dumps to; absent when that is the daemon's business. */
  readonly directory: DumpDirectory | undefined;
}

const rwMediaType: { readonly [C in RWCompression]: string } = {
  gzip: MEDIA_TYPE_LAYER_GZIP,
  zstd: MEDIA_TYPE_LAYER_ZSTD,
  none: MEDIA_TYPE_LAYER,
};

const REMOVE_MS = 10_000;

/** Makes what a capture needs, and looks whether there is room for the dump. */
export async function prepareCapture(
  services: Services,
  plan: CheckpointPlan,
  target: CheckpointTarget,
  operation: Operation,
): Promise<CapturePrepared> {
  const { rw, task } = target.parts;
  const [packRW, directory] = await together([
    rw ? prepareRW(services, plan, target, operation) : undefined,
    task ? prepareDirectory(services, plan, target, operation) : undefined,
  ]);
  return { packRW, directory };
}

async function prepareRW(
  services: Services,
  plan: CheckpointPlan,
  { record, parent }: CheckpointTarget,
  operation: Operation,
): Promise<(call: CallOptions) => Promise<Descriptor>> {
  const snapshots = services.snapshots(record.snapshotter);
  const view = operation.ref("parent");
  const remove = once((call: CallOptions) => snapshots.remove(view, call));
  operation.atEnd(`snapshot ${view}`, remove);
  const [lower, upper] = await together([
    snapshots.view(view, parent, operation.call),
    snapshots.mounts(record.snapshotKey, operation.call),
  ]);
  const options = { mediaType: rwMediaType[plan.rwCompression], ref: operation.ref("rw") };
  return async (call) => {
    const layer = await services.diffs.diff(lower, upper, { ...call, ...options });
    remove({ timeoutMs: REMOVE_MS }).catch(() => {
      // It is tried again at the end, and told then.
    });
    return layer;
  };
}

async function prepareDirectory(
  services: Services,
  plan: CheckpointPlan,
  { record, task }: CheckpointTarget,
  operation: Operation,
): Promise<DumpDirectory | undefined> {
  if (plan.way === "daemon" || criuEnds(plan) || task === undefined) return undefined;
  const bytes = services.local ? await memoryOf(task.pid) : 0;
  const directory = await makeDumpDirectory(services, operation, bytes, operation.call);
  if (directory !== undefined) await requireDumpSpace(directory, true);
  if (directory !== undefined || plan.way === undefined) return directory;
  throw new FailedPreconditionError(
    `Cannot dump container ${record.id} into a directory: the daemon's root is not this process's to write to`,
    { hint: "Run as root on the daemon's machine, or leave out withCheckpointWay()." },
  );
}
