import type { CallOptions } from "../call-options.js";
import type { CheckpointPlan } from "../checkpoint/plan.js";
import { orUndefined } from "../content/found.js";
import { AlreadyExistsError, FailedPreconditionError, InvalidArgumentError, NotFoundError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { Platform } from "../oci/platform.js";
import { imageOnChain } from "./base-image.js";
import type { ContainerRecord } from "./container-record.js";
import { daemonPlatform, requireCheckpointSupport, requirePlugin, requireZstd } from "./features.js";
import type { Image } from "./image.js";
import type { Services } from "./services.js";
import { findTask, type Task, type TaskStatus } from "./task.js";

/** What a checkpoint will do, once everything that can be known beforehand has been looked at. */
export interface CheckpointTarget {
  readonly record: ContainerRecord;
  readonly ref: string;
  /** The task to freeze; `undefined` when there is none, or nothing of it is asked for. */
  readonly task: Task | undefined;
  readonly status: TaskStatus | "absent";
  /** The snapshot under the writable layer; empty when there is none. */
  readonly parent: string;
  readonly image: {
    readonly name?: string;
    readonly digest?: Digest;
    /** Bytes of what the digest names. */
    readonly size?: number;
    readonly chainId?: Digest;
    readonly include?: Descriptor;
  };
  readonly platform: Platform;
  readonly parts: { readonly task: boolean; readonly rw: boolean; readonly runtime: boolean };
}

/** Looks at everything that could make the checkpoint fail, before anything is made or frozen. */
export async function preflight(
  services: Services,
  id: string,
  ref: string,
  plan: CheckpointPlan,
  call: CallOptions,
): Promise<CheckpointTarget> {
  if (ref === "") throw new InvalidArgumentError(`Cannot checkpoint container ${id}: the image name is empty`);
  const [record, found] = await Promise.all([
    services.containers.info(id, call),
    orUndefined(findTask(services, id, call)),
    refuseTaken(services, ref, call),
  ]);
  const { task, status } = found ?? { task: undefined, status: "absent" as const };
  const rw = plan.rw ?? record.snapshotKey !== "";
  const parts = { task: plan.task ?? task !== undefined, rw, runtime: plan.runtime ?? true };
  if (parts.task) refuseState(id, status);
  if (plan.exit && !parts.task) {
    throw new FailedPreconditionError(`Cannot checkpoint container ${id} and end its task: it has none`);
  }
  if (rw && record.snapshotKey === "") {
    throw new FailedPreconditionError(`Cannot checkpoint the rw layer of container ${id}: it has no snapshot`);
  }
  const [parent, base] = await Promise.all([
    record.snapshotKey === "" ? "" : parentOf(services, record, call),
    record.image === "" ? undefined : orUndefined(services.images.get(record.image, call)),
    requirePlugin(services, "io.containerd.snapshotter.v1", record.snapshotter, rw, call),
    requireCheckpointSupport(services, record, parts.task, call),
    requireZstd(services, rw && plan.rwCompression === "zstd", call),
  ]);
  const image = await resolveImage(services, record, base, parent, plan.image, call);
  return {
    record,
    ref,
    task,
    status,
    parent,
    image,
    platform: image.platform ?? (await daemonPlatform(services, call)),
    parts,
  };
}

/**
 * Looks again at what may have changed before the operation was alone.
 *
 * @throws {AlreadyExistsError} when somebody made an image of the name meanwhile
 * @throws {FailedPreconditionError} when the task is in another state now
 */
export async function requireUnchanged(
  services: Services,
  target: CheckpointTarget,
  call: CallOptions,
): Promise<CheckpointTarget> {
  const { record, ref, parts } = target;
  const [found] = await Promise.all([
    target.task && orUndefined(findTask(services, record.id, call)),
    refuseTaken(services, ref, call),
  ]);
  const status = found?.status ?? "absent";
  if (parts.task) refuseState(record.id, status);
  return { ...target, task: found?.task, status };
}

async function refuseTaken(services: Services, ref: string, call: CallOptions): Promise<void> {
  const taken = await orUndefined(services.images.get(ref, call));
  if (taken === undefined) return;
  throw new AlreadyExistsError(`Cannot checkpoint to ${JSON.stringify(ref)}: an image of that name exists`, {
    namespace: services.namespace,
    hint: "Delete it first, or choose another name.",
  });
}

function refuseState(id: string, status: TaskStatus | "absent"): void {
  if (status === "running" || status === "paused") return;
  throw new FailedPreconditionError(
    status === "absent"
      ? `Cannot checkpoint the task of container ${id}: it has none`
      : `Cannot checkpoint the task of container ${id}: it is ${status}`,
    { hint: "Only a running or paused task has a memory to save." },
  );
}

async function parentOf(services: Services, record: ContainerRecord, call: CallOptions): Promise<string> {
  const snapshot = await services.snapshots(record.snapshotter).stat(record.snapshotKey, call);
  return snapshot.parent ?? "";
}

interface ResolvedImage {
  readonly name?: string;
  readonly digest?: Digest;
  readonly size?: number;
  readonly chainId?: Digest;
  readonly include?: Descriptor;
  readonly platform?: Platform;
}

/** The name may stand for another image by now: what counts is the snapshot the container really stands on. */
async function resolveImage(
  services: Services,
  record: ContainerRecord,
  base: Image | undefined,
  parent: string,
  wanted: boolean | undefined,
  call: CallOptions,
): Promise<ResolvedImage> {
  const known = {
    ...(record.image === "" ? {} : { name: record.image }),
    ...(parent === "" ? {} : { chainId: parent as Digest }),
  };
  const include = wanted ?? record.image !== "";
  if (base === undefined) {
    if (!include) return known;
    throw new NotFoundError(
      record.image === ""
        ? `Cannot include the base image of container ${record.id}: it was not made from one`
        : `Cannot include the base image of container ${record.id}: there is no image ${JSON.stringify(record.image)}`,
      { hint: "Name the parts you want, without withCheckpointImage(), to leave the base image out." },
    );
  }
  const image = await imageOnChain(services.content, base.target, parent, call);
  if (image !== undefined) {
    const platform = { os: image.config.os, architecture: image.config.architecture };
    return {
      ...known,
      digest: base.target.digest,
      size: base.target.size,
      platform,
      ...(include ? { include: base.target } : {}),
    };
  }
  if (!include) return known;
  throw new FailedPreconditionError(
    `Cannot include the base image of container ${record.id}: ${JSON.stringify(record.image)} is not what its snapshot was made from`,
    {
      hint: "The name was given to another image since. Name the parts you want, without withCheckpointImage(), to leave it out.",
    },
  );
}
