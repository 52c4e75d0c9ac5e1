import { dirname, join } from "node:path";
import type { Any } from "@bufbuild/protobuf/wkt";
import { Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import { CheckpointOptionsSchema } from "../api/types/runc/options/oci_pb.js";
import type { CallOptions } from "../call-options.js";
import type { CriuOptions } from "../checkpoint/plan.js";
import { InvalidArgumentError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { SpecProcess, SpecResources } from "../oci/runtime-spec.js";
import { packAny } from "../typeurl.js";
import { withCriuLog } from "./criu-log.js";
import { criuOptionsMessage } from "./criu-options.js";
import { discardTask } from "./discard-task.js";
import { type ExecOptions, execProcess } from "./exec.js";
import { pauseTask } from "./pause.js";
import { type Exit, Process, type ProcessState, processStatus } from "./process.js";
import type { Services } from "./services.js";
import { fromShim } from "./shim-errors.js";
import { packResources } from "./spec-any.js";
import type { OpenIO } from "./task-io.js";
import { endThaw } from "./thaws.js";
import { dateOf, descriptorOf, present, recordedAt } from "./wire.js";

const LOOK_MS = 5_000;

/** Where a task stands in its life. */
export type TaskStatus = ProcessState;

/**
 * What a task has used up to one instant.
 *
 * @inline
 */
export interface TaskMetrics {
  /** When it was measured. */
  readonly measuredAt: Date | undefined;
  /** The numbers, in a message that depends on the cgroup version of the daemon's host. */
  readonly data: Any;
}

/**
 * How a task's memory is saved.
 *
 * @inline
 */
export interface TaskCheckpointOptions extends CallOptions {
  /** What criu is asked. */
  readonly criu?: CriuOptions | undefined;
  /** Have criu end the task once it is dumped. A failure after that loses the task. */
  readonly exit?: boolean | undefined;
  /** A directory on the daemon's host to dump into, instead of the store. */
  readonly imagePath?: string | undefined;
}

/**
 * What to change about a task.
 *
 * @inline
 */
export interface TaskChanges {
  /** New resource limits; what is not named stays. */
  readonly resources?: SpecResources | undefined;
  /** Annotations for the runtime. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Finds a container's task, and says where it stands. */
export async function findTask(
  services: Services,
  containerId: string,
  call: CallOptions,
): Promise<{ readonly task: Task; readonly status: TaskStatus }> {
  const reply = await services.rpc.unary(Tasks.method.get, { containerId }, call);
  const process = present(reply.process, "a task");
  return { task: new Task(services, containerId, process.pid), status: processStatus(process).status };
}

/** A container that runs, or is about to, or has ended and was not deleted yet. */
export class Task extends Process {
  /** Id of the container, which is also the task's. */
  readonly id: string;
  readonly #restored: boolean;

  /** @internal */
  constructor(
    services: Services,
    id: string,
    pid: number,
    made: { readonly io?: OpenIO; readonly restored?: boolean } = {},
  ) {
    super(services, id, "", pid, made.io);
    this.id = id;
    this.#restored = made.restored ?? false;
  }

  /**
   * Starts it. One made from a checkpoint is restored now, and removed again when that fails.
   *
   * @throws {FailedPreconditionError} when it was started before, or criu cannot restore it
   * @throws {NotFoundError} when it is gone
   */
  override async start(call: CallOptions = {}): Promise<void> {
    if (!this.#restored) {
      await super.start(call);
      return endThaw(this.services, this.id);
    }
    try {
      await super.start(call);
      await endThaw(this.services, this.id);
    } catch (reason) {
      // criu's log goes with the task.
      const explained = await withCriuLog(this.services, reason, await restoreWorkPath(this.services, this.id));
      await discardTask(this, reason);
      await this.openIO?.close();
      throw explained;
    }
  }

  /**
   * Freezes it until the result is disposed, which resumes it on its own deadline, whatever became of `call.signal`.
   *
   * @example
   * ```ts
   * await using pause = await task.pause();
   * ```
   * @throws {FailedPreconditionError} when it does not run, or is frozen already
   * @throws {NotFoundError} when it is gone
   */
  pause(call: CallOptions = {}): Promise<AsyncDisposable> {
    return pauseTask(this.services, this, call);
  }

  /**
   * Freezes it and leaves it so. Most callers want {@link Task.pause}.
   *
   * @throws {FailedPreconditionError} when it does not run, or is frozen already
   */
  async freeze(call: CallOptions = {}): Promise<void> {
    await fromShim(this.services.rpc.unary(Tasks.method.pause, { containerId: this.id }, call));
  }

  /**
   * Lets it go on.
   *
   * @throws {FailedPreconditionError} when it is not frozen
   */
  async resume(call: CallOptions = {}): Promise<void> {
    await fromShim(this.services.rpc.unary(Tasks.method.resume, { containerId: this.id }, call));
  }

  /** The process ids in it, as the daemon's host counts them. */
  async pids(call: CallOptions = {}): Promise<readonly number[]> {
    const reply = await fromShim(this.services.rpc.unary(Tasks.method.listPids, { containerId: this.id }, call));
    return reply.processes.map(({ pid }) => pid);
  }

  /**
   * Prepares a further process in it: a whole process of the runtime spec, or just arguments, and then everything else as
   * the container's own process has it. It runs after its `start()`.
   *
   * @throws {AlreadyExistsError} when the id is taken
   * @throws {FailedPreconditionError} when the task does not run
   */
  exec(id: string, process: SpecProcess | readonly string[], options: ExecOptions = {}): Promise<Process> {
    return execProcess(this.services, this.id, id, process, options);
  }

  /** Measures it; `undefined` when the daemon cannot, as containerd 2.2 and later for a task restored from a checkpoint. */
  async metrics(call: CallOptions = {}): Promise<TaskMetrics | undefined> {
    const filters = [`id==${JSON.stringify(this.id)}`];
    const { metrics } = await this.services.rpc.unary(Tasks.method.metrics, { filters }, call);
    const metric = metrics.find(({ id }) => id === this.id);
    return metric?.data && { measuredAt: dateOf(metric.timestamp), data: metric.data };
  }

  /**
   * Changes its resource limits while it runs.
   *
   * @throws {NotFoundError} when it is gone
   */
  async update(changes: TaskChanges, call: CallOptions = {}): Promise<void> {
    const { resources, annotations } = changes;
    const input = {
      containerId: this.id,
      ...(resources === undefined ? {} : { resources: packResources(resources) }),
      annotations: { ...annotations },
    };
    await fromShim(this.services.rpc.unary(Tasks.method.update, input, call));
  }

  /**
   * Saves its memory alone, to the store under `lease` or into a directory; makes no image record. A whole checkpoint is
   * `container.checkpoint()`.
   *
   * @returns descriptors of the dump and of the spec; none when it went into a directory
   * @throws {InvalidArgumentError} when it is to go to the store and no lease would keep it there
   * @throws {FailedPreconditionError} when the task neither runs nor is paused, or criu cannot dump it
   * @throws {AlreadyExistsError} when containerd 1.6 or 1.7 has the container's spec from an earlier checkpoint
   */
  async checkpoint(options: TaskCheckpointOptions = {}): Promise<readonly Descriptor[]> {
    const { criu = {}, exit = false, imagePath = "" } = options;
    if (imagePath === "" && options.lease === undefined) {
      throw new InvalidArgumentError(`Cannot checkpoint task ${this.id} to the store: no lease would keep it there`, {
        hint: "Pass { lease: await client.leases.create() }.",
      });
    }
    try {
      return await this.dump(criuOptionsMessage(criu, exit, imagePath), options);
    } catch (reason) {
      throw await withCriuLog(this.services, reason, criu.workPath);
    }
  }

  /** @internal */
  async dump(options: ReturnType<typeof criuOptionsMessage>, call: CallOptions): Promise<readonly Descriptor[]> {
    const input = { containerId: this.id, options: packAny(CheckpointOptionsSchema, options) };
    const reply = await fromShim(this.services.rpc.unary(Tasks.method.checkpoint, input, call));
    return reply.descriptors.map((descriptor) => descriptorOf(descriptor, "a part of the dump"));
  }

  /** @internal */
  protected override async remove(call: CallOptions): Promise<Exit> {
    const reply = await fromShim(this.services.rpc.unary(Tasks.method.delete, { containerId: this.id }, call));
    await endThaw(this.services, this.id);
    return { exitStatus: reply.exitStatus, exitedAt: recordedAt(reply.exitedAt) };
  }
}

/** Where the shim has criu write its log of a restore; `undefined` when it cannot be known or seen from here. */
async function restoreWorkPath(services: Services, id: string): Promise<string | undefined> {
  if (!services.local) return undefined;
  try {
    const content = await services.introspection.contentRoot({ timeoutMs: LOOK_MS });
    return content && join(dirname(content), "io.containerd.runtime.v2.task", services.namespace, id);
  } catch {
    // The log is a courtesy: why the restore failed is reported anyway.
    return undefined;
  }
}
