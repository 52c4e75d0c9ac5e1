import { stat } from "node:fs/promises";
import type { CallOptions } from "../call-options.js";
import { type Checkpoint, checkpointIndex, parseCheckpoint } from "../checkpoint/document.js";
import { CheckpointMediaType } from "../checkpoint/media-types.js";
import { type CheckpointOption, type CheckpointPlan, type CheckpointWay, planCheckpoint } from "../checkpoint/plan.js";
import { writeBlob } from "../content/blob.js";
import { blobPath } from "../content/remote-file.js";
import { gcLabels } from "../content/walk.js";
import { DataLossError, InvalidArgumentError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { encodeIndex } from "../oci/image-index.js";
import { isIndexType, isLayerType, isManifestType, MEDIA_TYPE_INDEX } from "../oci/media-types.js";
import type { Platform } from "../oci/platform.js";
import { encodeAny } from "../typeurl.js";
import { type Captured, capture } from "./capture.js";
import { type CheckpointTarget, lookAtContainer, preflight } from "./checkpoint-preflight.js";
import { resolveCheckpoint } from "./checkpoint-source.js";
import { explainFull } from "./dump-space.js";
import { operate } from "./operate.js";
import type { Operation } from "./operation.js";
import { prepareCapture } from "./prepare-capture.js";
import { type OperationProgress, Progress } from "./progress.js";
import { earlierImage, endingLabels, repetitionLabels } from "./recovery/repeated.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";
import { together } from "./together.js";

/** What the caller of a checkpoint may set beside its options. `timeoutMs` bounds the whole operation, not one call. */
export interface CheckpointCall extends CallOptions {
  /** Told about each phase, and about the bytes written so far where the daemon can tell. */
  readonly onProgress?: ((progress: OperationProgress) => void) | undefined;
  /**
   * Names the call, so that it can be repeated with the same words whatever became of it: a checkpoint that is complete is
   * returned, one that was cut short is begun anew, one under way is left alone. Letters, digits, dots, dashes, underscores.
   */
  readonly operationId?: string | undefined;
  /** Milliseconds the task may be paused; then it is resumed and the checkpoint fails. Default: ten minutes. */
  readonly maxPausedMs?: number | undefined;
}

/**
 * What a checkpoint cost.
 *
 * @inline
 */
export interface CheckpointCost {
  /** Milliseconds from the first call to the image record. */
  readonly totalMs: number;
  /** Milliseconds the task stood still; 0 when it was not paused by us. */
  readonly pausedMs: number;
  /** How memory and files went into the store; see `withCheckpointWay()`. */
  readonly way: CheckpointWay;
  /** Milliseconds of criu's dump, which is the most of the pause; in the daemon's way they include packing. 0 without a task. */
  readonly dumpMs: number;
  /** Milliseconds it took to pack what lay in a directory into the store, after the pause; 0 in the daemon's way. */
  readonly packMs: number;
  /** Bytes of each part that was written. */
  readonly bytes: CheckpointBytes;
}

/**
 * Bytes of what a checkpoint wrote. The base image is not written, it is only referred to.
 *
 * @inline
 */
export interface CheckpointBytes {
  /** The memory. */
  readonly task: number;
  /** The writable layer, as packed. */
  readonly rw: number;
  /** Spec, options, index and the caller's own parts. */
  readonly other: number;
}

/** A checkpoint that was just made. */
export interface CheckpointResult extends Checkpoint {
  /** The image record it is registered under. */
  readonly ref: string;
  /** What it cost; nothing when it was there already. */
  readonly cost: CheckpointCost;
  /**
   * Whether a guardian stood by while the task was paused: a process that would have resumed it, had this one died. There is none
   * for a task that was not paused, over a transport of the caller's own, or where the client was told so; and none that could help when
   * the first process of a pid namespace dies, as of a container, because the kernel kills the others with it.
   */
  readonly guarded: boolean;
  /** What could not be cleaned up after success; empty as a rule. It expires by itself after a day. */
  readonly leftBehind: readonly string[];
}

/** Performs a plan in one fixed order: look, prepare, freeze, capture, thaw, write, register, and only then end the task. */
export async function performCheckpoint(
  services: Services,
  id: string,
  ref: string,
  options: readonly CheckpointOption[],
  call: CheckpointCall,
): Promise<CheckpointResult> {
  const startedAt = performance.now();
  const plan = planCheckpoint(options);
  const progress = new Progress(call.onProgress);
  const { result, leftBehind } = await operate(
    services,
    { kind: "checkpoint", containerId: id, ref },
    { ...call, onPhase: (phase) => progress.enter(phase) },
    async (operation) => {
      if (ref === "") throw new InvalidArgumentError(`Cannot checkpoint container ${id}: the image name is empty`);
      const earlier = await alreadyMade(services, id, ref, operation);
      if (earlier !== undefined) return earlier;
      const subject = await lookAtContainer(services, id, plan, operation.call);
      const mended = await operation.begin();
      const target = await preflight(services, ref, plan, subject, mended, operation.call);
      return perform(services, plan, target, operation, progress);
    },
  );
  const totalMs = performance.now() - startedAt;
  return {
    ...result.checkpoint,
    ref,
    cost: { totalMs, ...result.cost },
    guarded: result.guarded,
    leftBehind,
  };
}

/** What the same operation made when it was called before; it has begun then, for another one may still be at it. */
async function alreadyMade(
  services: Services,
  containerId: string,
  ref: string,
  operation: Operation,
): Promise<Performed | undefined> {
  const { callerId } = operation;
  if (callerId === undefined) return undefined;
  await operation.begin();
  const image = await earlierImage(services, { callerId, containerId }, ref, operation.call);
  if (image === undefined) return undefined;
  const checkpoint = await resolveCheckpoint(services, image, operation.call);
  const way = "daemon";
  const bytes = { task: 0, rw: 0, other: 0 };
  return { checkpoint, cost: { pausedMs: 0, way, dumpMs: 0, packMs: 0, bytes }, guarded: false };
}

interface Performed {
  readonly checkpoint: Checkpoint;
  readonly cost: Omit<CheckpointCost, "totalMs">;
  readonly guarded: boolean;
}

async function perform(
  services: Services,
  plan: CheckpointPlan,
  target: CheckpointTarget,
  operation: Operation,
  progress: Progress,
): Promise<Performed> {
  const { record } = target;
  operation.enter("prepare");
  const others = await together(
    plan.parts.map((make, at) =>
      make({ containerId: record.id, content: services.content, ref: operation.ref(`part-${at}`) }, operation.call),
    ),
  );
  for (const part of others) requireOwnKind(record.id, part);
  const platform = platformOf(target);
  const { options } = record.runtime;
  const mediaType = CheckpointMediaType.runtimeOptions;
  const [runtimeOptions, prepared] = await together([
    target.parts.runtime && options !== undefined
      ? writeBlob(
          services.content,
          encodeAny(options),
          { mediaType, ref: operation.ref("runtime-options") },
          operation.call,
        )
      : undefined,
    prepareCapture(services, plan, target, operation),
  ]);
  const parts = {
    runtimeOptions: runtimeOptions && { ...runtimeOptions, platform },
    criuOptions: prepared.criuOptions && { ...prepared.criuOptions.descriptor, platform },
    others,
  };
  try {
    const captured = await capture(services, plan, target, prepared, operation, progress);
    return await register(services, plan, target, parts, captured, operation);
  } catch (reason) {
    throw prepared.directory === undefined ? reason : await explainFull(reason, prepared.directory);
  }
}

/** What goes into the index beside what was captured. */
interface PreparedParts {
  readonly runtimeOptions: Descriptor | undefined;
  readonly criuOptions: Descriptor | undefined;
  readonly others: readonly Descriptor[];
}

/** Writes the index and then the image record; ends the task when that is asked. */
async function register(
  services: Services,
  plan: CheckpointPlan,
  target: CheckpointTarget,
  { runtimeOptions, criuOptions, others }: PreparedParts,
  captured: Captured,
  operation: Operation,
): Promise<Performed> {
  const { record, ref } = target;
  const platform = platformOf(target);
  const { include, name, digest, chainId, parentSnapshot } = target.image;
  const index = checkpointIndex({
    containerId: record.id,
    createdAt: captured.at,
    image: {
      ...(name === undefined ? {} : { name }),
      ...(digest === undefined ? {} : { digest }),
      ...(chainId === undefined ? {} : { chainId }),
      ...(parentSnapshot === undefined ? {} : { parentSnapshot }),
      ...(include === undefined ? {} : { descriptor: include }),
    },
    runtime: record.runtime.name,
    runtimeOptions,
    snapshotter: record.snapshotter,
    rw: captured.rw && { ...captured.rw, platform },
    task: captured.task && { ...captured.task, platform },
    spec: captured.spec && { ...captured.spec, platform },
    criuOptions,
    others,
    annotations: plan.annotations,
  });
  const [descriptor] = await together([
    writeBlob(
      services.content,
      encodeIndex(index),
      { mediaType: MEDIA_TYPE_INDEX, ref: operation.ref("index"), labels: gcLabels(index.manifests) },
      operation.call,
    ),
    verify(
      services,
      // The caller's own parts may be empty; what is captured may not.
      [
        captured.task,
        captured.spec,
        captured.rw,
        runtimeOptions,
        criuOptions,
        ...others.filter(({ size }) => size > 0),
      ],
      operation,
    ),
  ]);
  await verify(services, [descriptor], operation);
  operation.enter("register");
  await operation.commit();
  const repetition = { callerId: operation.callerId, containerId: record.id };
  // What could not be read again must not be registered, and no task end for it.
  const checkpoint = { ...parseCheckpoint(index, descriptor), ref };
  const labels = {
    ...plan.labels,
    ...repetitionLabels(repetition),
    ...(plan.exit ? endingLabels(repetition, target.task?.pid) : {}),
  };
  let registered = false;
  await operation.make(
    `image ${ref}`,
    (call) => services.images.create(ref, descriptor, { ...call, labels }),
    // The record may have been made although its reply was lost: then the call failed, and the record must not stay.
    async (call) => {
      if (registered || (await services.images.get(ref, call)).target.digest !== descriptor.digest) return;
      await services.images.delete(ref, { ...call, sync: true });
    },
  );
  registered = true;
  const pausedMs = await captured.release(plan.exit);
  operation.enter("done");
  const size = (part: Descriptor | undefined) => part?.size ?? 0;
  const written = [runtimeOptions, criuOptions, captured.spec, descriptor, ...others];
  return {
    checkpoint,
    guarded: operation.guarded,
    cost: {
      pausedMs,
      way: captured.way,
      dumpMs: captured.dumpMs,
      packMs: captured.packMs,
      bytes: {
        task: size(captured.task),
        rw: size(captured.rw),
        other: written.reduce((total, part) => total + size(part), 0),
      },
    },
  };
}

/** A part of the caller's that looks like one of ours would be taken for it when the checkpoint is restored. */
function requireOwnKind(id: string, { digest, mediaType }: Descriptor): void {
  const ours: readonly string[] = Object.values(CheckpointMediaType);
  if (!ours.includes(mediaType) && !isLayerType(mediaType) && !isIndexType(mediaType) && !isManifestType(mediaType)) {
    return;
  }
  throw new InvalidArgumentError(
    `Cannot checkpoint container ${id}: ${digest}, a part of the caller's own, is of type ${mediaType}, as parts of the checkpoint are`,
    { hint: "Give it a media type of its own." },
  );
}

function platformOf({ platform: { architecture, os } }: CheckpointTarget): Platform {
  return { architecture, os };
}

/** That the daemon said so is not enough: each must be there, with the size it was announced with. */
async function verify(
  services: Services,
  parts: readonly (Descriptor | undefined)[],
  operation: Operation,
): Promise<void> {
  const shared = await sharedRoot(services, operation.call);
  await Promise.all(
    parts.map(async (part) => {
      if (part === undefined) return;
      // What lies on this machine is looked at itself.
      const path = shared && blobPath(shared.content, part.digest);
      const found = path && (await stat(path).catch(() => undefined));
      const { size } = found || (await services.content.info(part.digest, operation.call));
      if (size !== part.size || size === 0) {
        throw new DataLossError(
          `Cannot register the checkpoint: ${part.digest} has ${size} bytes, expected ${part.size}`,
        );
      }
    }),
  );
}
