import type { CallOptions } from "../call-options.js";
import type { CheckpointPlan } from "../checkpoint/plan.js";
import { filter } from "../content/filter.js";
import { orUndefined } from "../content/found.js";
import { AlreadyExistsError, FailedPreconditionError, NotFoundError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, isDigest } from "../oci/digest.js";
import type { Platform } from "../oci/platform.js";
import { anyImageOnChain, imageOnChain } from "./base-image.js";
import type { ContainerRecord } from "./container-record.js";
import { daemonPlatform, requirePlugin, requireZstd } from "./features.js";
import type { Image } from "./image.js";
import type { Mount } from "./mount.js";
import { isOwnContainer } from "./own-container.js";
import type { Services } from "./services.js";
import { knownServer, sharedRoot } from "./shared-root.js";
import { findTask, type Task, type TaskStatus } from "./task.js";
import { together } from "./together.js";
import { visibleBlobs } from "./visible-blobs.js";

/** What a checkpoint will do, once everything that can be known beforehand has been looked at. */
export interface CheckpointTarget {
  readonly record: ContainerRecord;
  readonly ref: string;
  /** The task to freeze; `undefined` when there is none, or nothing of it is asked for. */
  readonly task: Task | undefined;
  readonly status: TaskStatus | "absent";
  /** The snapshot under the writable layer; empty when there is none. */
  readonly parent: string;
  /** How the daemon mounts the writable layer, when it is asked for. */
  readonly rwMounts: readonly Mount[];
  readonly image: {
    readonly name?: string;
    readonly digest?: Digest;
    /** Bytes of what the digest names. */
    readonly size?: number;
    readonly chainId?: Digest;
    readonly parentSnapshot?: string;
    readonly include?: Descriptor;
  };
  readonly platform: Platform;
  readonly parts: { readonly task: boolean; readonly rw: boolean; readonly runtime: boolean };
}

/** A container that a checkpoint is asked of. */
export interface CheckpointSubject {
  readonly record: ContainerRecord;
  /** Its task; `undefined` when there is none. */
  readonly task: Task | undefined;
  readonly status: TaskStatus | "absent";
  readonly parts: CheckpointTarget["parts"];
}

/** Looks at the container itself: what can be refused at once is refused before anything is made. */
export async function lookAtContainer(
  services: Services,
  id: string,
  plan: CheckpointPlan,
  call: CallOptions,
): Promise<CheckpointSubject> {
  const [record, { task, status }] = await Promise.all([
    services.containers.info(id, call),
    lookAtTask(services, id, call),
    // Asked now, it is known when it is needed.
    services.local ? knownServer(services, call) : undefined,
  ]);
  const rw = plan.rw ?? record.snapshotKey !== "";
  const parts = { task: plan.task ?? task !== undefined, rw, runtime: plan.runtime ?? true };
  // Whoever pauses it may be another operation, and that is said once it is known.
  if (parts.task && status !== "pausing") refuseState(id, status);
  if (plan.exit && !parts.task) {
    throw new FailedPreconditionError(`Cannot checkpoint container ${id} and end its task: it has none`);
  }
  if (rw && record.snapshotKey === "") {
    throw new FailedPreconditionError(`Cannot checkpoint the rw layer of container ${id}: it has no snapshot`);
  }
  return { record, task, status, parts };
}

/**
 * Looks at everything else that could make the checkpoint fail, once the operation is alone and before anything is frozen. `changed`
 * says that the task may be in another state by now.
 */
export async function preflight(
  services: Services,
  ref: string,
  plan: CheckpointPlan,
  subject: CheckpointSubject,
  changed: boolean,
  call: CallOptions,
): Promise<CheckpointTarget> {
  const { record, parts } = subject;
  const [{ parent, rwMounts }, { base, taken }, { task, status }] = await together([
    snapshotOf(services, record, parts.rw, call),
    findImages(services, ref, record.image, call),
    changed || subject.status !== "running" ? lookAtTask(services, record.id, call) : subject,
    requireZstd(services, parts.rw && plan.rwCompression === "zstd", call),
  ]);
  if (taken) {
    throw new AlreadyExistsError(`Cannot checkpoint to ${JSON.stringify(ref)}: an image of that name exists`, {
      namespace: services.namespace,
      hint: "Delete it first, or choose another name.",
    });
  }
  if (parts.task) refuseState(record.id, status);
  if (
    status === "running" &&
    task !== undefined &&
    (await isOwnContainer(services, record, task.pid, rwMounts, call))
  ) {
    throw new FailedPreconditionError(`Cannot checkpoint container ${record.id}: this process runs in it`, {
      hint: "Paused with it, nobody could resume it. Do it from outside, or from another container.",
    });
  }
  await sharedRoot(services, call, pathIn(rwMounts));
  const image = await resolveImage(services, record, base, parent, plan.image, call);
  const platform = image.platform ?? (await daemonPlatform(services, call));
  return { record, ref, task, status, parent, rwMounts, image, platform, parts };
}

async function lookAtTask(
  services: Services,
  id: string,
  call: CallOptions,
): Promise<Pick<CheckpointSubject, "task" | "status">> {
  return (await orUndefined(findTask(services, id, call))) ?? { task: undefined, status: "absent" };
}

/** The base image, when its name still stands for something, and whether the name of the new one does; by one call. */
async function findImages(
  services: Services,
  ref: string,
  base: string,
  call: CallOptions,
): Promise<{ readonly base: Image | undefined; readonly taken: boolean }> {
  const names = [ref, base].filter((name) => name !== "");
  const found = new Map<string, Image>();
  const filters = names.map((name) => filter(["name"], "==", name));
  for await (const image of services.images.list(filters, call)) found.set(image.name, image);
  return { base: found.get(base), taken: found.has(ref) };
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

/** What the writable layer stands on, and how the daemon mounts it when it is asked for. */
async function snapshotOf(
  services: Services,
  { snapshotter, snapshotKey }: ContainerRecord,
  rw: boolean,
  call: CallOptions,
): Promise<Pick<CheckpointTarget, "parent" | "rwMounts">> {
  if (snapshotKey === "") return { parent: "", rwMounts: [] };
  const snapshots = services.snapshots(snapshotter);
  try {
    const [{ parent = "" }, rwMounts] = await together([
      snapshots.stat(snapshotKey, call),
      rw ? snapshots.mounts(snapshotKey, call) : [],
    ]);
    return { parent, rwMounts };
  } catch (reason) {
    if (!call.signal?.aborted) await requirePlugin(services, "io.containerd.snapshotter.v1", snapshotter, true, call);
    throw reason;
  }
}

/** A path of the daemon's among its mounts. */
function pathIn([mount]: readonly Mount[]): string | undefined {
  const upper = mount?.options.find((option) => option.startsWith("upperdir="));
  return upper?.slice("upperdir=".length) ?? mount?.source;
}

interface ResolvedImage {
  readonly name?: string;
  readonly digest?: Digest;
  readonly size?: number;
  readonly chainId?: Digest;
  readonly parentSnapshot?: string;
  readonly include?: Descriptor;
  readonly platform?: Platform;
}

/**
 * The name may stand for another image by now, or for none where a checkpoint brought the image along: what counts is the snapshot
 * the container really stands on.
 */
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
    ...(isDigest(parent) ? { chainId: parent } : record.snapshotKey === "" ? {} : { parentSnapshot: parent }),
  };
  const include = wanted ?? record.image !== "";
  const named = base && (await imageOnChain(visibleBlobs(services), base.target, parent, call));
  const found =
    named !== undefined && base !== undefined
      ? { target: base.target, config: named.config }
      : include && record.image !== "" && isDigest(parent)
        ? await anyImageOnChain(services, parent, call)
        : undefined;
  if (found !== undefined) {
    const { target, config } = found;
    const platform = { os: config.os, architecture: config.architecture };
    return { ...known, digest: target.digest, size: target.size, platform, ...(include ? { include: target } : {}) };
  }
  if (!include) return known;
  const hint = "Name the parts you want, without withCheckpointImage(), to leave the base image out.";
  const cannot = `Cannot include the base image of container ${record.id}`;
  if (record.image === "") throw new NotFoundError(`${cannot}: it was not made from one`, { hint });
  if (!isDigest(parent)) {
    throw new FailedPreconditionError(
      `${cannot}: its snapshot stands on ${JSON.stringify(parent)}, which no image is`,
      {
        hint: `${hint} It can be restored where that snapshot is.`,
      },
    );
  }
  const name = JSON.stringify(record.image);
  if (base === undefined) throw new NotFoundError(`${cannot}: there is no image ${name}`, { hint });
  throw new FailedPreconditionError(`${cannot}: ${name} is not what its snapshot was made from`, {
    hint: `The name was given to another image since. ${hint}`,
  });
}
