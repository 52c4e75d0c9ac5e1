import { Images as ImagesService } from "../../api/services/images/v1/images_pb.js";
import type { CallOptions } from "../../call-options.js";
import { type Checkpoint, readCheckpoint } from "../../checkpoint/document.js";
import { checkpointImageName, checkpointNameOf } from "../../checkpoint/named/name.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { type CheckpointOption, withCheckpointLabels } from "../../checkpoint/plan.js";
import { orUndefined } from "../../content/found.js";
import { InvalidArgumentError, isContainerdError, isNotFound } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import { type CheckpointCall, performCheckpoint } from "../checkpointing.js";
import type { ContainerRecord } from "../container-record.js";
import type { Image } from "../image.js";
import type { Services } from "../services.js";
import { descriptorInit } from "../wire.js";
import { type CreatedCheckpoint, type Home, type NewCheckpoint, noCheckpoint, taken } from "./home.js";

/** By this containerd knows the images that are checkpoints. */
const CHECKPOINT = "containerd.io/checkpoint";
/** From 2.0 on containerd collects an image after the instant that this label names. */
const EXPIRE = "containerd.io/gc.expire";

const AT_ONCE = 16;

/** The images of containerd as a home: each checkpoint is one, under the name containerd itself would give it. */
export class ImageHome implements Home {
  readonly #services: Services;
  readonly #containerId: string;

  constructor(services: Services, containerId: string) {
    this.#services = services;
    this.#containerId = containerId;
  }

  async requireFree(name: string, call: CallOptions): Promise<void> {
    const image = await orUndefined(this.#services.images.get(this.#ref(name), call));
    if (image === undefined) return;
    throw taken(this.#services, this.#containerId, name);
  }

  async create(wanted: NewCheckpoint, record: ContainerRecord, call: CheckpointCall): Promise<CreatedCheckpoint> {
    const { name, expiresAt } = wanted;
    const labels: Labels = {
      [CHECKPOINT]: "true",
      ...(expiresAt === undefined ? {} : { [EXPIRE]: expiresAt.toISOString() }),
    };
    const options = [...wanted.options, withCheckpointLabels(labels), withAll(record)];
    const made = await performCheckpoint(this.#services, record.id, this.#ref(name), options, call);
    const { cost, guarded, leftBehind, ...checkpoint } = made;
    const named = namedCheckpoint(record.id, name, checkpoint, { createdAt: new Date(), labels });
    return { ...named, cost, guarded, leftBehind };
  }

  async get(name: string, call: CallOptions): Promise<NamedCheckpoint> {
    const image = await orUndefined(this.#services.images.get(this.#ref(name), call));
    if (image === undefined) throw noCheckpoint(this.#services, this.#containerId, name);
    return this.#read(name, image, call);
  }

  async *list(call: CallOptions): AsyncGenerator<NamedCheckpoint, void, undefined> {
    // Brackets, because a backslash is not the same to all who read filters.
    const pattern = `^${this.#ref("").replaceAll(".", "[.]")}`;
    const found: { name: string; image: Image }[] = [];
    for await (const image of this.#services.images.list([`name~=${JSON.stringify(pattern)}`], call)) {
      const name = checkpointNameOf(this.#containerId, image.name);
      if (name !== undefined) found.push({ name, image });
    }
    for (let at = 0; at < found.length; at += AT_ONCE) {
      const some = found.slice(at, at + AT_ONCE);
      const read = await Promise.all(some.map(({ name, image }) => this.#whole(name, image, call)));
      for (const one of read) if (one !== undefined) yield one;
    }
  }

  own(call: CallOptions): AsyncIterable<NamedCheckpoint> {
    return this.list(call);
  }

  /** Nothing of an image is anybody else's. */
  async requireDeletable(): Promise<void> {}

  async delete(name: string, call: CallOptions): Promise<void> {
    try {
      await this.#services.images.delete(this.#ref(name), { ...call, sync: true });
    } catch (reason) {
      throw isNotFound(reason) ? noCheckpoint(this.#services, this.#containerId, name, { cause: reason }) : reason;
    }
  }

  async deleteThis({ name, checkpoint }: NamedCheckpoint, call: CallOptions): Promise<void> {
    const { images, rpc } = this.#services;
    const ref = this.#ref(name);
    try {
      const { target } = await images.get(ref, call);
      if (target.digest !== checkpoint?.target.digest) throw noCheckpoint(this.#services, this.#containerId, name);
      // Containerd before 2.0 passes the target over: there it is only known to have been the same a moment ago.
      const wanted = { name: ref, sync: true, target: descriptorInit(target) };
      await rpc.unary(ImagesService.method.delete, wanted, call);
    } catch (reason) {
      throw isNotFound(reason) ? noCheckpoint(this.#services, this.#containerId, name, { cause: reason }) : reason;
    }
  }

  #ref(name: string): string {
    return checkpointImageName(this.#containerId, name);
  }

  /** What was deleted meanwhile is not there, and what others gave such a name is none. */
  async #whole(name: string, image: Image, call: CallOptions): Promise<NamedCheckpoint | undefined> {
    try {
      return await this.#read(name, image, call);
    } catch (reason) {
      if (isBroken(reason)) return undefined;
      throw reason;
    }
  }

  async #read(name: string, image: Image, call: CallOptions): Promise<NamedCheckpoint> {
    const { content } = this.#services;
    const checkpoint = { ...(await readCheckpoint(content, image.target, call)), ref: image.name };
    if (checkpoint.task === undefined) {
      throw new InvalidArgumentError(
        `Cannot take image ${JSON.stringify(image.name)} for a checkpoint: it has no memory`,
      );
    }
    await content.info(checkpoint.task.digest, call);
    return namedCheckpoint(this.#containerId, name, checkpoint, image);
  }
}

const broken = ["not_found", "invalid_argument", "data_loss", "resource_exhausted"] as const;

function isBroken(reason: unknown): boolean {
  return broken.some((code) => isContainerdError(reason, code));
}

/** All that a container has; where the caller named parts, the base image only when it is one of them. */
function withAll({ image, snapshotKey }: ContainerRecord): CheckpointOption {
  return (plan) => {
    const isNamed = [plan.image, plan.runtime, plan.task, plan.rw].some((part) => part !== undefined);
    plan.task = true;
    plan.image ??= !isNamed && image !== "";
    plan.rw ??= snapshotKey !== "";
    plan.runtime ??= true;
  };
}

function namedCheckpoint(
  containerId: string,
  name: string,
  checkpoint: Checkpoint,
  { createdAt, labels }: Pick<Image, "createdAt" | "labels">,
): NamedCheckpoint {
  const { origin, image, runtime, annotations, task, rw, spec, criuOptions, others, target } = checkpoint;
  const parts = [target, runtime.options, task, rw, spec, criuOptions, ...others];
  const expiresAt = new Date(labels[EXPIRE] ?? Number.NaN);
  return {
    name,
    origin,
    containerId,
    createdAt: checkpoint.createdAt ?? createdAt,
    bytes: parts.reduce((total, part) => total + (part?.size ?? 0), 0),
    ...(Number.isNaN(expiresAt.getTime()) ? {} : { expiresAt }),
    image,
    runtime,
    annotations,
    checkpoint,
  };
}
