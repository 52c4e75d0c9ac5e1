import type { CallOptions } from "../call-options.js";
import { carriesCriuConfig } from "../checkpoint/convert/own-place.js";
import { CRIU_CONFIG_ANNOTATION, CRIU_CONFIG_LABEL } from "../checkpoint/criu-config.js";
import { type Checkpoint, checkpointName } from "../checkpoint/document.js";
import { planRestore, type RestoreOption, type RestorePlan } from "../checkpoint/restore-plan.js";
import { DataLossError } from "../errors.js";
import type { Spec } from "../oci/runtime-spec.js";
import { type CheckpointSource, resolveCheckpoint } from "./checkpoint-source.js";
import type { Container } from "./container.js";
import { criuConfigPath, requireCriuConfigPlace, writeCriuConfig } from "./criu-config-file.js";
import type { Mount } from "./mount.js";
import { operate } from "./operate.js";
import type { Operation } from "./operation.js";
import { type OperationProgress, Progress } from "./progress.js";
import { earlierContainer, repetitionLabels } from "./recovery/repeated.js";
import { type RestoreTarget, requireCriuConfig, restorePreflight } from "./restore-preflight.js";
import { restoredCgroup } from "./restored-cgroup.js";
import type { Services } from "./services.js";
import { packSpec } from "./spec-any.js";
import { together } from "./together.js";
import { unpackImage } from "./unpack.js";

/**
 * What the caller of a restore may set beside its options. `timeoutMs` bounds the whole operation, not one call.
 *
 * @inline
 */
export interface RestoreCall extends CallOptions {
  /** Told about each phase: `unpack`, `snapshot`, `rw`, `container`. */
  readonly onProgress?: ((progress: OperationProgress) => void) | undefined;
  /** Names the call, so that it can be repeated: a container that is complete is returned, one that was cut short is made anew. */
  readonly operationId?: string | undefined;
}

/** Makes a container from a checkpoint: the base image by digest, the rw layer over it, spec and runtime. All or nothing. */
export async function performRestore(
  services: Services,
  id: string,
  source: CheckpointSource,
  options: readonly RestoreOption[],
  call: RestoreCall,
): Promise<Container> {
  const plan = planRestore(options);
  const progress = new Progress(call.onProgress);
  const { result } = await operate(
    services,
    { kind: "restore", containerId: id },
    { ...call, onPhase: (phase) => progress.enter(phase) },
    async (operation) => {
      await requireCriuConfig(services, plan);
      const { callerId } = operation;
      const { criuConfig } = plan;
      const file = criuConfig && "directory" in criuConfig ? criuConfigPath(id, criuConfig) : undefined;
      const files = { file };
      if (callerId !== undefined) {
        await operation.begin(files);
        const earlier = await earlierContainer(services, { callerId, containerId: id }, operation.call);
        if (earlier !== undefined) return earlier;
      }
      const checkpoint = await resolveCheckpoint(services, source, operation.call);
      await operation.begin(files);
      const target = await restorePreflight(services, id, checkpoint, plan, operation.call);
      if (file !== undefined) await requireCriuConfigPlace(services, id, file, operation.call);
      return make(services, id, checkpoint, plan, target, operation);
    },
  );
  return result;
}

async function make(
  services: Services,
  id: string,
  checkpoint: Checkpoint,
  plan: RestorePlan,
  target: RestoreTarget,
  operation: Operation,
): Promise<Container> {
  const { call } = operation;
  const snapshots = services.snapshots(target.snapshotter);
  if (target.base?.unpack !== undefined) {
    operation.enter("unpack");
    const { manifest, platform } = target.base.unpack;
    await unpackImage(services, manifest, { snapshotter: target.snapshotter, platform }, call);
  }
  if (target.base !== undefined) {
    operation.enter("snapshot");
    const { parent } = target.base;
    const mounts = await operation.make(
      `snapshot ${id}`,
      (made) => snapshots.prepare(id, parent, made),
      (undo) => snapshots.remove(id, undo),
    );
    operation.enter("rw");
    if (target.rw !== undefined) await applyWhole(services, checkpoint, target.rw, mounts, call);
  }
  operation.enter("container");
  const { spec, labels } = await specFor(services, id, checkpoint, plan, target, operation);
  const record = {
    id,
    image: checkpoint.image.name ?? "",
    runtime: target.runtime,
    snapshotter: target.base === undefined ? "" : target.snapshotter,
    snapshotKey: target.base === undefined ? "" : id,
    labels,
    spec: packSpec(spec),
  };
  return operation.make(
    `container ${id}`,
    (made) => services.containers.register(record, made),
    (undo) => services.containers.delete(id, undo),
  );
}

/** Applies the rw layer; a daemon takes whatever its file holds, and says what it was. */
async function applyWhole(
  services: Services,
  checkpoint: Checkpoint,
  { layer, diffId }: NonNullable<RestoreTarget["rw"]>,
  mounts: readonly Mount[],
  call: CallOptions,
): Promise<void> {
  const [{ digest }] = await together([
    services.diffs.apply(layer, mounts, call),
    diffId === undefined ? readThrough(services.content.read(layer, call)) : undefined,
  ]);
  if (diffId === undefined || digest === diffId) return;
  throw new DataLossError(
    `Cannot restore ${checkpointName(checkpoint)}: rw layer ${layer.digest} was applied as ${digest}, expected ${diffId}`,
  );
}

async function readThrough(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes);
}

/** The checkpoint's spec with a cgroup of its own, criu's settings, and the caller's changes. */
async function specFor(
  services: Services,
  id: string,
  checkpoint: Checkpoint,
  plan: RestorePlan,
  target: RestoreTarget,
  operation: Operation,
): Promise<{ spec: Spec; labels: Record<string, string> }> {
  const spec = structuredClone(target.spec);
  const labels = { ...plan.labels, ...repetitionLabels({ callerId: operation.callerId, containerId: id }) };
  if (spec.linux?.cgroupsPath !== undefined) {
    const { cgroupsPath } = spec.linux;
    spec.linux.cgroupsPath = await restoredCgroup(services, id, cgroupsPath, checkpoint, operation.call);
  }
  if (plan.criuConfig !== undefined && !("directory" in plan.criuConfig && carriesCriuConfig(spec))) {
    const path = criuConfigPath(id, plan.criuConfig);
    if ("directory" in plan.criuConfig) {
      await writeCriuConfig(services, id, path, target.criuSettings, operation);
      labels[CRIU_CONFIG_LABEL] = path;
    }
    spec.annotations = { ...spec.annotations, [CRIU_CONFIG_ANNOTATION]: path };
  }
  for (const edit of plan.specEdits) edit(spec);
  return { spec, labels };
}
