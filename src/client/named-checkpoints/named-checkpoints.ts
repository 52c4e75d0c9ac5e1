import type { CallOptions } from "../../call-options.js";
import { requireCheckpointName } from "../../checkpoint/named/name.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { type CheckpointRetention, planRetention, type RetentionPlan } from "../../checkpoint/named/retention.js";
import { type CheckpointOption, withCheckpointTaskExit } from "../../checkpoint/plan.js";
import { orUndefined } from "../../content/found.js";
import { InvalidArgumentError, isNotFound } from "../../errors.js";
import type { CheckpointCall } from "../checkpointing.js";
import { publishEvent } from "../events.js";
import type { Services } from "../services.js";
import { findTask } from "../task.js";
import { type CreatedCheckpoint, type Home, notRunning } from "./home.js";
import { ImageHome } from "./image-home.js";

/**
 * Where named checkpoints are kept.
 *
 * @inline
 */
export interface NamedCheckpointsCall extends CallOptions {
  /**
   * An absolute path of this machine: checkpoints lie in it as directories, the way Docker keeps them, with the memory alone. Without it
   * they are images of the namespace, with all the container has.
   */
  readonly checkpointDir?: string | undefined;
}

/**
 * How a named checkpoint is made. `timeoutMs` bounds the whole operation, not one call.
 *
 * @inline
 */
export interface CreateNamedCheckpointOptions extends NamedCheckpointsCall, Omit<CheckpointCall, "operationId"> {
  /** Ends the task once its checkpoint is complete. Default: it runs on. */
  readonly exit?: boolean | undefined;
  /** What else is to be said about it, as for `checkpoint`. */
  readonly options?: readonly CheckpointOption[] | undefined;
  /** From then on `prune` removes it, and so does the collector of containerd from 2.0 on when it is an image. */
  readonly expiresAt?: Date | undefined;
}

/**
 * What is to be removed.
 *
 * @inline
 */
export interface PruneOptions extends NamedCheckpointsCall, CheckpointRetention {
  /** Only say what would go. */
  readonly dryRun?: boolean | undefined;
}

const EVENT_MS = 10_000;
const TOPIC = "/tasks/checkpointed";

/**
 * The checkpoints a container has under names.
 *
 * @inline
 */
export class NamedCheckpoints {
  readonly #services: Services;
  readonly #containerId: string;

  /** @internal */
  constructor(services: Services, containerId: string) {
    this.#services = services;
    this.#containerId = containerId;
  }

  /**
   * Freezes the container into a checkpoint of that name, whole or not at all, and tells so by the event `/tasks/checkpointed`.
   *
   * @example
   * ```ts
   * await container.checkpoints.create("before-upgrade");
   * ```
   * @throws {InvalidArgumentError} when it is no name; before anything else
   * @throws {FailedPreconditionError} when the container is not running
   * @throws {AlreadyExistsError} when there is one of that name; before anything is frozen
   * @throws {CheckpointInProgressError} when another one of the container, or of that name, is being made
   * @throws {NotFoundError} when the container is gone
   */
  async create(name: string, options: CreateNamedCheckpointOptions = {}): Promise<CreatedCheckpoint> {
    requireCheckpointName(name);
    const { checkpointDir, exit = false, options: more = [], expiresAt, ...call } = options;
    requireInstant(expiresAt);
    const home = this.#home(checkpointDir);
    const { signal, timeoutMs } = call;
    const look = { signal, timeoutMs };
    const [record, found] = await Promise.all([
      this.#services.containers.info(this.#containerId, look),
      orUndefined(findTask(this.#services, this.#containerId, look)),
    ]);
    const status = found?.status ?? "absent";
    if (status !== "running" && status !== "paused") throw notRunning(this.#services, this.#containerId, status);
    await home.requireFree(name, look);
    const all = exit ? [...more, withCheckpointTaskExit()] : more;
    const made = await home.create({ name, options: all, expiresAt }, record, call);
    return { ...made, leftBehind: [...made.leftBehind, ...(await this.#tell(name))] };
  }

  /**
   * Reads one.
   *
   * @throws {InvalidArgumentError} when it is no name
   * @throws {NotFoundError} when there is none of that name
   */
  async get(name: string, options: NamedCheckpointsCall = {}): Promise<NamedCheckpoint> {
    requireCheckpointName(name);
    const { checkpointDir, ...call } = options;
    return this.#home(checkpointDir).get(name, call);
  }

  /** Yields those that are whole, in no order to rely on. What is half made, or nobody's checkpoint, is passed over. */
  async *list(options: NamedCheckpointsCall = {}): AsyncGenerator<NamedCheckpoint, void, undefined> {
    const { checkpointDir, ...call } = options;
    yield* this.#home(checkpointDir).list(call);
  }

  /**
   * Removes one, and nothing else.
   *
   * @throws {InvalidArgumentError} when it is no name
   * @throws {NotFoundError} when there is none of that name
   */
  async delete(name: string, options: NamedCheckpointsCall = {}): Promise<void> {
    requireCheckpointName(name);
    const { checkpointDir, ...call } = options;
    await this.#home(checkpointDir).delete(name, call);
  }

  /**
   * Removes those that have expired, and those that no rule keeps; says which, and why. In a directory those stay that are not known to
   * be this container's.
   *
   * @example
   * ```ts
   * const { gone } = await container.checkpoints.prune({ keepLast: 3, dryRun: true });
   * for (const { checkpoint, why } of gone) console.log(checkpoint.name, why);
   * ```
   * @throws {InvalidArgumentError} when a rule is no whole number from 0
   */
  async prune(options: PruneOptions = {}): Promise<RetentionPlan> {
    const { checkpointDir, keepLast, keepWithinMs, maxBytes, dryRun = false, ...call } = options;
    const rules = { keepLast, keepWithinMs, maxBytes };
    planRetention([], rules, new Date());
    const home = this.#home(checkpointDir);
    const own: NamedCheckpoint[] = [];
    for await (const one of home.list(call)) if (one.containerId === this.#containerId) own.push(one);
    const plan = planRetention(own, rules, new Date());
    if (dryRun) return plan;
    for (const { checkpoint } of plan.gone) {
      await home.delete(checkpoint.name, call).catch((reason: unknown) => {
        // Somebody else has removed it meanwhile.
        if (!isNotFound(reason)) throw reason;
      });
    }
    return plan;
  }

  #home(checkpointDir: string | undefined): Home {
    if (checkpointDir !== undefined) throw new InvalidArgumentError("not yet");
    return new ImageHome(this.#services, this.#containerId);
  }

  /** The checkpoint is made: that others could not be told is no reason to say that it is not. */
  async #tell(name: string): Promise<string[]> {
    const payload = { containerId: this.#containerId, checkpoint: name };
    try {
      await publishEvent(this.#services.rpc, TOPIC, payload, { timeoutMs: EVENT_MS });
      return [];
    } catch (reason) {
      return [`event ${TOPIC}: ${reason instanceof Error ? reason.message : String(reason)}`];
    }
  }
}

function requireInstant(expiresAt: Date | undefined): void {
  if (expiresAt === undefined || !Number.isNaN(expiresAt.getTime())) return;
  throw new InvalidArgumentError("Cannot create a checkpoint that expires at an invalid date");
}
