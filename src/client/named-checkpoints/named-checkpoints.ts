import type { CallOptions } from "../../call-options.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import type { CheckpointRetention, PrunedCheckpoint, RetentionPlan } from "../../checkpoint/named/retention.js";
import type { CheckpointOption } from "../../checkpoint/plan.js";
import type { ContainerdError } from "../../errors.js";
import type { CheckpointCall } from "../checkpointing.js";
import { once } from "../once.js";
import type { Services } from "../services.js";
import type { CreatedCheckpoint } from "./home.js";

const performing = once(() => import("./named-checkpointing.js"));

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
  /**
   * What else is to be said about it, as for `checkpoint`. An image holds all in any case, but where parts are named the base image only
   * when `withCheckpointImage()` is among them: so it is left out when its name is gone, or stands for another one.
   */
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

/**
 * A checkpoint that was to go, and could not.
 *
 * @inline
 */
export interface FailedPrune extends PrunedCheckpoint {
  /** What was in the way. */
  readonly error: ContainerdError;
}

/**
 * What became of a container's checkpoints.
 *
 * @inline
 */
export interface PruneResult extends RetentionPlan {
  /** Those that were to go and are still there, oldest first. */
  readonly failed: readonly FailedPrune[];
}

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
    return (await performing()).createNamed(this.#services, this.#containerId, name, options);
  }

  /**
   * Reads one.
   *
   * @throws {InvalidArgumentError} when it is no name
   * @throws {NotFoundError} when there is none of that name
   */
  async get(name: string, options: NamedCheckpointsCall = {}): Promise<NamedCheckpoint> {
    return (await performing()).getNamed(this.#services, this.#containerId, name, options);
  }

  /** Yields those that are whole, in no order to rely on. What is half made, or nobody's checkpoint, is passed over. */
  async *list(options: NamedCheckpointsCall = {}): AsyncGenerator<NamedCheckpoint, void, undefined> {
    yield* (await performing()).listNamed(this.#services, this.#containerId, options);
  }

  /**
   * Removes one, and nothing else.
   *
   * @throws {InvalidArgumentError} when it is no name
   * @throws {NotFoundError} when there is none of that name
   */
  async delete(name: string, options: NamedCheckpointsCall = {}): Promise<void> {
    await (await performing()).deleteNamed(this.#services, this.#containerId, name, options);
  }

  /**
   * Removes those that have expired, and those that no rule keeps; says which, and why. In a directory those stay that are not known to
   * be this container's, which is one of this namespace. What has got the name of another one since that was judged stays, too.
   * One that cannot be removed, such as a directory with a file of somebody's, keeps none of the others: it is among the `failed`.
   *
   * @example
   * ```ts
   * const { gone } = await container.checkpoints.prune({ keepLast: 3, dryRun: true });
   * for (const { checkpoint, why } of gone) console.log(checkpoint.name, why);
   * ```
   * @throws {InvalidArgumentError} when a rule is no whole number from 0
   */
  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    return (await performing()).pruneNamed(this.#services, this.#containerId, options);
  }
}
