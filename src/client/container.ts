import { unlink } from "node:fs/promises";
import { basename, isAbsolute } from "node:path";
import { Containers as ContainersService } from "../api/services/containers/v1/containers_pb.js";
import { Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import type { CallOptions } from "../call-options.js";
import { CRIU_CONFIG_LABEL } from "../checkpoint/criu-config.js";
import type { CheckpointOption } from "../checkpoint/plan.js";
import { FailedPreconditionError, isNotFound, NotFoundError } from "../errors.js";
import type { Spec } from "../oci/runtime-spec.js";
import type { CheckpointCall, CheckpointResult } from "./checkpointing.js";
import type { ContainerRecord } from "./container-record.js";
import type { ContainerChanges } from "./containers.js";
import type { Image } from "./image.js";
import { NamedCheckpoints } from "./named-checkpoints/named-checkpoints.js";
import type { NewTaskOptions } from "./new-task.js";
import { once } from "./once.js";
import type { Services } from "./services.js";
import { unpackSpec } from "./spec-any.js";
import type { Task } from "./task.js";

const starting = once(() => import("./start-checkpoint.js"));
const creating = once(() => import("./new-task.js"));
const held = once(() => import("./task.js"));

/**
 * How a container is removed.
 *
 * @inline
 */
export interface DeleteContainerOptions extends CallOptions {
  /** Remove its snapshot too, and what it wrote with it. */
  readonly snapshot?: boolean | undefined;
}

/** A container: a record of what could run, by its id. Nothing of it is remembered here; each call asks the daemon. */
export class Container {
  /** The container's id. */
  readonly id: string;
  readonly #services: Services;

  /** @internal */
  constructor(services: Services, id: string) {
    this.#services = services;
    this.id = id;
  }

  /**
   * Reads its record.
   *
   * @throws {NotFoundError} when it is gone
   */
  async info(call: CallOptions = {}): Promise<ContainerRecord> {
    return this.#services.containers.info(this.id, call);
  }

  /**
   * Reads its runtime spec.
   *
   * @throws {NotFoundError} when it is gone
   * @throws {FailedPreconditionError} when it has none that can be read
   */
  async spec(call: CallOptions = {}): Promise<Spec> {
    const { spec } = await this.info(call);
    if (spec === undefined)
      throw new FailedPreconditionError(`Cannot read the spec of container ${this.id}: it has none`);
    return unpackSpec(spec);
  }

  /**
   * Reads the image it was made from. Its name may have been given to other content since.
   *
   * @throws {NotFoundError} when it names none, or that is gone, or the container is
   */
  async image(call: CallOptions = {}): Promise<Image> {
    const { image } = await this.info(call);
    if (image === "") throw new NotFoundError(`Container ${this.id} names no image`);
    return this.#services.images.get(image, call);
  }

  /**
   * Finds its task.
   *
   * @throws {NotFoundError} when it has none
   */
  async task(call: CallOptions = {}): Promise<Task> {
    const { findTask } = await held();
    return (await findTask(this.#services, this.id, call)).task;
  }

  /**
   * Makes a task, from a checkpoint if one is given. It runs only after its `start()`.
   *
   * @example
   * ```ts
   * const task = await container.newTask({ checkpoint: "counter:frozen" });
   * await task.start();
   * ```
   * @throws {AlreadyExistsError} when there is one
   * @throws {NotFoundError} when the container is gone
   */
  async newTask(options: NewTaskOptions = {}): Promise<Task> {
    return (await creating()).createTask(this.#services, this.id, options);
  }

  /**
   * Freezes it into an index registered as the image `ref`: memory, changed files, spec, runtime and base image, all of one
   * instant. Options name the parts; without one it is everything the container has. All of it, or nothing. The task runs
   * on unless an option says otherwise.
   *
   * @example
   * ```ts
   * const checkpoint = await container.checkpoint("counter:frozen");
   * console.log(checkpoint.cost.pausedMs);
   * ```
   * @throws {AlreadyExistsError} when there is an image of that name
   * @throws {FailedPreconditionError} when the container is not in a state to be checkpointed, or criu refuses
   * @throws {AbortedError} when somebody else resumed the task while it was captured
   * @throws {NotFoundError} when the container, or its base image that was asked for, is gone
   */
  async checkpoint(
    ref: string,
    options: readonly CheckpointOption[] = [],
    call: CheckpointCall = {},
  ): Promise<CheckpointResult> {
    return (await starting()).startCheckpoint(this.#services, this.id, ref, options, call);
  }

  /** Its checkpoints that have names: make one, list them, start from one, remove one. */
  get checkpoints(): NamedCheckpoints {
    return new NamedCheckpoints(this.#services, this.id);
  }

  /**
   * Sets labels; `null` deletes one, all others stay.
   *
   * @throws {NotFoundError} when it is gone
   */
  setLabels(changes: Readonly<Record<string, string | null>>, call: CallOptions = {}): Promise<ContainerRecord> {
    return this.#services.containers.update(this.id, { labels: changes }, call);
  }

  /**
   * Changes its record. A task that exists goes on as it was made.
   *
   * @throws {NotFoundError} when it is gone
   */
  update(changes: ContainerChanges, call: CallOptions = {}): Promise<ContainerRecord> {
    return this.#services.containers.update(this.id, changes, call);
  }

  /**
   * Removes its record, and with `snapshot` its writable layer.
   *
   * @throws {FailedPreconditionError} when it still has a task
   * @throws {NotFoundError} when it is gone
   */
  async delete(options: DeleteContainerOptions = {}): Promise<void> {
    const services = this.#services;
    const record = await this.info(options);
    if (await this.#hasTask(options)) {
      throw new FailedPreconditionError(`Cannot delete container ${this.id}: it has a task`, {
        namespace: services.namespace,
        hint: "Delete the task first: task.delete({ force: true }) ends it.",
      });
    }
    if (options.snapshot === true && record.snapshotKey !== "") await this.#removeSnapshot(record, options);
    await services.rpc.unary(ContainersService.method.delete, { id: this.id }, options);
    await this.#removeCriuConfig(record);
  }

  async #hasTask(call: CallOptions): Promise<boolean> {
    try {
      await this.#services.rpc.unary(Tasks.method.get, { containerId: this.id }, call);
      return true;
    } catch (reason) {
      if (isNotFound(reason)) return false;
      throw reason;
    }
  }

  async #removeSnapshot({ snapshotter, snapshotKey }: ContainerRecord, call: CallOptions): Promise<void> {
    try {
      await this.#services.snapshots(snapshotter).remove(snapshotKey, call);
    } catch (reason) {
      if (!isNotFound(reason)) throw reason;
    }
  }

  /** Only a file we named ourselves: a label is anybody's to write. */
  async #removeCriuConfig({ labels }: ContainerRecord): Promise<void> {
    const path = labels[CRIU_CONFIG_LABEL];
    if (path === undefined || !this.#services.local) return;
    if (!isAbsolute(path) || basename(path) !== `${this.id}.criu.conf`) return;
    await unlink(path).catch((reason: unknown) => {
      if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
    });
  }
}
