import { CheckpointOptionsSchema } from "../api/types/runc/options/oci_pb.js";
import type { CallOptions } from "../call-options.js";
import { CheckpointMediaType } from "../checkpoint/media-types.js";
import { type CheckpointPlan, criuEnds, type RWCompression } from "../checkpoint/plan.js";
import { writeBlob } from "../content/blob.js";
import { FailedPreconditionError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { digestOf } from "../oci/digest.js";
import { MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD } from "../oci/media-types.js";
import { encodeAny, packAny } from "../typeurl.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import { criuOptionsMessage } from "./criu-options.js";
import { type DumpDirectory, makeDumpDirectory } from "./dump-directory.js";
import { memoryOf, requireDumpSpace } from "./dump-space.js";
import type { Mount } from "./mount.js";
import { once } from "./once.js";
import type { Operation } from "./operation.js";
import { overlayLower } from "./overlay-lower.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";
import { together } from "./together.js";
import { prepareUpperCopy } from "./upper-copy.js";

/** What a capture needs, made before the freeze. */
export interface CapturePrepared {
  /** How what the writable layer changes is captured, during the pause; absent when it is not asked for. */
  readonly captureRW: CaptureRW | undefined;
  /** Where criu dumps to; absent when that is the daemon's business. */
  readonly directory: DumpDirectory | undefined;
  /** What criu is asked, to be written after the pause; absent when there is no dump. */
  readonly criuOptions: PreparedBlob | undefined;
  /** What criu dumps into the directory is not packed: the caller takes it from there. */
  readonly keepsDump?: boolean;
}

/** Captures a writable layer. */
export interface CaptureRW {
  /** Begins with what can be done beside the dump, and resolves to whether that was all; absent where nothing can. */
  readonly begin: ((call: CallOptions) => Promise<boolean>) | undefined;
  /** To be called after the dump; `begun` says whether all was done. Resolves to what packs it, after the pause. */
  finish(begun: boolean, call: CallOptions): Promise<PackRW>;
}

/** A blob that is not written yet. */
export interface PreparedBlob {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  write(): Promise<unknown>;
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
  const [lower, directory] = await together([
    parts.rw ? lowerMounts(services, target, operation) : undefined,
    parts.task ? prepareDirectory(services, plan, target, operation) : undefined,
  ]);
  return {
    captureRW: lower && (await prepareRW(services, plan, target, lower, directory, operation)),
    directory,
    criuOptions: parts.task ? criuOptionsBlob(services, plan, operation) : undefined,
  };
}

function criuOptionsBlob({ content }: Services, { criu }: CheckpointPlan, operation: Operation): PreparedBlob {
  const bytes = encodeAny(packAny(CheckpointOptionsSchema, criuOptionsMessage(criu, false)));
  const mediaType = CheckpointMediaType.criuOptions;
  return {
    bytes,
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    write: () => writeBlob(content, bytes, { mediaType, ref: operation.ref("criu-options") }, operation.call),
  };
}

/** What the writable layer lies upon, as the daemon mounts it. */
interface LowerMounts {
  readonly mounts: readonly Mount[];
  /** Says that they are needed no more. */
  readonly done: () => void;
}

async function lowerMounts(
  services: Services,
  { record, parent, rwMounts }: CheckpointTarget,
  operation: Operation,
): Promise<LowerMounts> {
  const known = overlayLower(rwMounts);
  if (known !== undefined) return { mounts: known, done: () => {} };
  const snapshots = services.snapshots(record.snapshotter);
  const view = operation.ref("parent");
  const remove = once((call: CallOptions) => snapshots.remove(view, call));
  operation.atEnd(`snapshot ${view}`, remove);
  const mounts = await snapshots.view(view, parent, operation.call);
  const done = () => {
    remove({ timeoutMs: REMOVE_MS }).catch(() => {
      // It is tried again at the end, and told then.
    });
  };
  return { mounts, done };
}

/**
 * The daemon looks at every file of the image to find out what has changed. Where a pause can be made shorter by it, the
 * writable layer is copied during the pause and that is done afterwards.
 */
async function prepareRW(
  services: Services,
  plan: CheckpointPlan,
  { status, rwMounts }: CheckpointTarget,
  lower: LowerMounts,
  directory: DumpDirectory | undefined,
  operation: Operation,
): Promise<CaptureRW> {
  const options = { mediaType: rwMediaType[plan.rwCompression], ref: operation.ref("rw") };
  const pack = async (upper: readonly Mount[], call: CallOptions) => {
    const layer = await services.diffs.diff(lower.mounts, upper, { ...call, ...options });
    lower.done();
    return layer;
  };
  const shorter = status === "running" && !plan.exit && directory !== undefined;
  const copy = shorter ? await prepareUpperCopy(rwMounts, directory) : undefined;
  return {
    begin: copy && ((call) => copy.copy(call)),
    finish: async (begun, call) => {
      const copied = begun ? await copy?.finish() : undefined;
      if (copied !== undefined) return () => pack(copied, operation.call);
      const layer = await pack(rwMounts, call);
      return async () => layer;
    },
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
