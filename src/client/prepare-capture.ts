import type { CallOptions } from "../call-options.js";
import { type CheckpointPlan, criuEnds, type RWCompression } from "../checkpoint/plan.js";
import { FailedPreconditionError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD } from "../oci/media-types.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import { type DumpDirectory, makeDumpDirectory } from "./dump-directory.js";
import { memoryOf, requireDumpSpace } from "./dump-space.js";
import type { Mount } from "./mount.js";
import { once } from "./once.js";
import type { Operation } from "./operation.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";
import { together } from "./together.js";
import { prepareUpperCopy } from "./upper-copy.js";

/** What a capture needs, made before the freeze. */
export interface CapturePrepared {
  /**
   * Captures what the writable layer changes, during the pause, and resolves to what packs it, after the pause; absent when
   * it is not asked for.
   */
  readonly captureRW: ((call: CallOptions) => Promise<PackRW>) | undefined;
  /** Where criu dumps to; absent when that is the daemon's business. */
  readonly directory: DumpDirectory | undefined;
  /** What criu dumps into the directory is not packed: the caller takes it from there. */
  readonly keepsDump?: boolean;
}

/** Packs a captured writable layer into the store, unless it is there already. */
export type PackRW = () => Promise<Descriptor>;

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
  const { parts } = target;
  const [rw, directory] = await together([
    parts.rw ? viewRW(services, target, operation) : undefined,
    parts.task ? prepareDirectory(services, plan, target, operation) : undefined,
  ]);
  return { captureRW: rw && (await prepareRW(services, plan, target, rw, directory, operation)), directory };
}

/** The writable layer and what it lies upon, as the daemon mounts them. */
interface RWMounts {
  readonly lower: readonly Mount[];
  readonly upper: readonly Mount[];
  /** Takes the view of what it lies upon away, sooner than at the end. */
  readonly done: () => void;
}

async function viewRW(
  services: Services,
  { record, parent }: CheckpointTarget,
  operation: Operation,
): Promise<RWMounts> {
  const snapshots = services.snapshots(record.snapshotter);
  const view = operation.ref("parent");
  const remove = once((call: CallOptions) => snapshots.remove(view, call));
  operation.atEnd(`snapshot ${view}`, remove);
  const [lower, upper] = await together([
    snapshots.view(view, parent, operation.call),
    snapshots.mounts(record.snapshotKey, operation.call),
  ]);
  const done = () => {
    remove({ timeoutMs: REMOVE_MS }).catch(() => {
      // It is tried again at the end, and told then.
    });
  };
  return { lower, upper, done };
}

/**
 * The daemon looks at every file of the image to find out what has changed. Where a pause can be made shorter by it, the
 * writable layer is copied during the pause and that is done afterwards.
 */
async function prepareRW(
  services: Services,
  plan: CheckpointPlan,
  { status }: CheckpointTarget,
  { lower, upper, done }: RWMounts,
  directory: DumpDirectory | undefined,
  operation: Operation,
): Promise<(call: CallOptions) => Promise<PackRW>> {
  const options = { mediaType: rwMediaType[plan.rwCompression], ref: operation.ref("rw") };
  const pack = async (mounts: readonly Mount[], call: CallOptions) => {
    const layer = await services.diffs.diff(lower, mounts, { ...call, ...options });
    done();
    return layer;
  };
  const shorter = status === "running" && !plan.exit && directory !== undefined;
  const copy = shorter ? await prepareUpperCopy(upper, directory) : undefined;
  return async (call) => {
    const copied = await copy?.(call);
    if (copied !== undefined) return () => pack(copied, operation.call);
    const layer = await pack(upper, call);
    return async () => layer;
  };
}

async function prepareDirectory(
  services: Services,
  plan: CheckpointPlan,
  { record, task }: CheckpointTarget,
  operation: Operation,
): Promise<DumpDirectory | undefined> {
  if (plan.way === "daemon" || criuEnds(plan) || task === undefined) return undefined;
  const shared = await sharedRoot(services, operation.call);
  const bytes = shared?.samePids === true ? await memoryOf(task.pid) : 0;
  const directory = await makeDumpDirectory(services, operation, bytes, operation.call);
  if (directory !== undefined) await requireDumpSpace(directory, true);
  if (directory !== undefined || plan.way === undefined) return directory;
  throw new FailedPreconditionError(
    `Cannot dump container ${record.id} into a directory: the daemon's root is not this process's to write to`,
    { hint: "Run as root on the daemon's machine, or leave out withCheckpointWay()." },
  );
}
