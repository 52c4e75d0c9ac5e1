import type { CallOptions } from "../../call-options.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import type { CheckpointOption } from "../../checkpoint/plan.js";
import { AlreadyExistsError, FailedPreconditionError, NotFoundError } from "../../errors.js";
import type { CheckpointCall, CheckpointResult } from "../checkpointing.js";
import type { ContainerRecord } from "../container-record.js";
import type { Services } from "../services.js";

/** What is wanted of a new named checkpoint. */
export interface NewCheckpoint {
  readonly name: string;
  readonly options: readonly CheckpointOption[];
  readonly expiresAt: Date | undefined;
}

/**
 * A new checkpoint, and what it cost.
 *
 * @inline
 */
export type CreatedCheckpoint = NamedCheckpoint & Pick<CheckpointResult, "cost" | "guarded" | "leftBehind">;

/** Where the named checkpoints of a container are kept. Names that come here are good ones. */
export interface Home {
  /** @throws {AlreadyExistsError} when the name is taken; before anything is made or frozen */
  requireFree(name: string, call: CallOptions): Promise<void>;
  /** Makes one of a container that runs, whole or not at all. */
  create(wanted: NewCheckpoint, record: ContainerRecord, call: CheckpointCall): Promise<CreatedCheckpoint>;
  /** @throws {NotFoundError} when there is none of that name */
  get(name: string, call: CallOptions): Promise<NamedCheckpoint>;
  /** Those that are whole, in no order to rely on; what else is there is passed over. */
  list(call: CallOptions): AsyncIterable<NamedCheckpoint>;
  /** Those of them that are known to be this container's: others, also of other namespaces, may keep theirs there, too. */
  own(call: CallOptions): AsyncIterable<NamedCheckpoint>;
  /** @throws {NotFoundError} when there is none of that name */
  delete(name: string, call: CallOptions): Promise<void>;
  /** @throws {FailedPreconditionError} when `delete` would refuse it */
  requireDeletable(name: string): Promise<void>;
  /**
   * Removes this very one, and none that has got its name since.
   *
   * @throws {NotFoundError} when it is gone
   */
  deleteThis(judged: NamedCheckpoint, call: CallOptions): Promise<void>;
}

/** The refusal of a name under which there is no checkpoint. */
export function noCheckpoint(
  services: Services,
  containerId: string,
  name: string,
  { cause, hint }: { readonly cause?: unknown; readonly hint?: string } = {},
): NotFoundError {
  const { namespace } = services;
  return new NotFoundError(`Container ${containerId} has no checkpoint ${JSON.stringify(name)}`, {
    namespace,
    ...(cause === undefined ? {} : { cause }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The refusal of a name that is taken. */
export function taken({ namespace }: Services, containerId: string, name: string, cause?: unknown): AlreadyExistsError {
  return new AlreadyExistsError(
    `Cannot create checkpoint ${JSON.stringify(name)} of container ${containerId}: there is one of that name`,
    {
      namespace,
      hint: "Delete it first, or choose another name.",
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** The refusal of a container of which there is no memory to save. */
export function notRunning(services: Services, containerId: string, status: string): FailedPreconditionError {
  const { namespace } = services;
  const is = status === "absent" ? "it has no task" : `its task is ${status}`;
  return new FailedPreconditionError(`Cannot checkpoint container ${containerId}: it is not running, ${is}`, {
    namespace,
    hint: "Only a running or paused container has a memory to save.",
  });
}
