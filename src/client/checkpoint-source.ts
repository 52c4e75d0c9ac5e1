import type { CallOptions } from "../call-options.js";
import { type Checkpoint, checkpointName, readCheckpoint } from "../checkpoint/document.js";
import { FailedPreconditionError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { requireThawable } from "./dump-kind.js";
import type { Image } from "./image.js";
import type { Services } from "./services.js";
import { visibleBlobs } from "./visible-blobs.js";

/** A checkpoint, the image it is registered as, or that image's name. */
export type CheckpointSource = Checkpoint | Image | string;

/** Reads the checkpoint a caller named in one way or another. */
export async function resolveCheckpoint(
  services: Services,
  source: CheckpointSource,
  call: CallOptions,
): Promise<Checkpoint> {
  if (typeof source !== "string" && "others" in source) return source;
  const image = typeof source === "string" ? await services.images.get(source, call) : source;
  return { ...(await readCheckpoint(visibleBlobs(services), image.target, call)), ref: image.name };
}

/** The dump to thaw a task from. */
export async function resolveTaskCheckpoint(
  services: Services,
  source: CheckpointSource,
  call: CallOptions,
): Promise<Descriptor> {
  const checkpoint = await resolveCheckpoint(services, source, call);
  const { task } = checkpoint;
  if (task === undefined) {
    throw new FailedPreconditionError(`Cannot thaw a task from ${checkpointName(checkpoint)}: it holds none`, {
      hint: "Checkpoint with withCheckpointTask() to save the task's memory.",
    });
  }
  await requireThawable(services, task, checkpointName(checkpoint), call);
  return task;
}
