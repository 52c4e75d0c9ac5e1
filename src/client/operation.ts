import type { CallOptions, LeaseRef } from "../call-options.js";
import { timeoutOf } from "../call-timeout.js";
import { FailedPreconditionError, InvalidArgumentError, type OperationFailure } from "../errors.js";
import { CleanUp, type Undo } from "./clean-up.js";
import type { ContainerRecord } from "./container-record.js";
import { newOperationId } from "./operation-id.js";
import { sayGivenUp } from "./recovery/abandoned.js";
import { giveUp } from "./recovery/given-up.js";
import type { GuardianUse } from "./recovery/guardian.js";
import { intentResource } from "./recovery/intent.js";
import { type OperationRecord, operationLabels } from "./recovery/operation-record.js";
import { ownOwner } from "./recovery/owner.js";
import { PauseWatch, type PauseWatchOptions } from "./recovery/pause-watch.js";
import { settleRivals } from "./recovery/rivals.js";
import type { Services } from "./services.js";
import type { Task } from "./task.js";

const DAY_MS = 24 * 60 * 60 * 1000;
// What cleaning up may take after the deadline.
const AFTER_DEADLINE_MS = 5 * 60_000;
const DEFAULT_MAX_PAUSED_MS = 10 * 60_000;
const operationId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** What an operation is about. */
export interface OperationSubject {
  readonly kind: OperationFailure["kind"];
  readonly containerId: string;
  /** The image it is to make; one operation at a time may make it. */
  readonly ref?: string | undefined;
}

/** What the caller of an operation may set. */
export interface OperationOptions extends CallOptions {
  /** Told when the operation enters a phase. */
  readonly onPhase?: ((phase: string) => void) | undefined;
  /** Names the operation, so that it can be repeated. */
  readonly operationId?: string | undefined;
  /** Milliseconds the task may be paused. */
  readonly maxPausedMs?: number | undefined;
}

/** What an operation runs with. */
export interface OperationMeans {
  readonly signal: AbortSignal;
  readonly guardian: GuardianUse | undefined;
  /** Calls the operation off, for a reason of its own. */
  readonly callOff: (reason: Error) => void;
}

/** One checkpoint or restore under way: its id, its lease, where it is, and what is to be undone should it fail. */
export class Operation {
  readonly id: string;
  /** The id its caller gave it. */
  readonly callerId: string | undefined;
  phase = "preflight";
  readonly #services: Services;
  readonly #subject: OperationSubject;
  readonly #options: OperationOptions;
  readonly #means: OperationMeans;
  readonly #startedAt = new Date();
  readonly #cleanUp = new CleanUp();
  #begun = false;
  #rescued: string | undefined;
  #watch: PauseWatch | undefined;
  #stillPaused: number | undefined;

  constructor(services: Services, subject: OperationSubject, options: OperationOptions, means: OperationMeans) {
    const { kind } = subject;
    this.id = newOperationId(kind);
    this.callerId = options.operationId;
    if (this.callerId !== undefined && !operationId.test(this.callerId)) {
      throw new InvalidArgumentError(
        `Cannot ${kind} with operationId ${JSON.stringify(this.callerId.slice(0, 160))}: expected at most 128 letters, digits, dots, dashes and underscores`,
      );
    }
    if (options.maxPausedMs !== undefined && !(options.maxPausedMs > 0 && options.maxPausedMs <= DAY_MS)) {
      throw new InvalidArgumentError(
        `Cannot ${kind} with maxPausedMs ${options.maxPausedMs}: expected more than 0 and at most a day`,
      );
    }
    this.#services = services;
    this.#subject = subject;
    this.#options = options;
    this.#means = means;
  }

  /** The lease, named after the operation. */
  get lease(): LeaseRef {
    return { id: this.id };
  }

  /** For every call of the operation: the caller's signal and deadline and, once it has begun, the lease. */
  get call(): CallOptions {
    const { signal } = this.#means;
    return this.#begun ? { signal, lease: this.lease } : { signal };
  }

  /** Whether a guardian stood by while the task was paused. */
  get guarded(): boolean {
    return this.#watch?.guarded ?? false;
  }

  /**
   * Makes something by one short call that the caller's signal does not reach, to be undone when the operation fails: one given up
   * half-way may still be carried out after it was undone. The signal ends the wait. `what` names it should undoing it fail.
   */
  make<T>(what: string, make: (call: CallOptions) => Promise<T>, undo: Undo): Promise<T> {
    const { lease } = this;
    return this.#cleanUp.make(what, (call) => make({ ...call, lease }), undo, this.#means.signal);
  }

  /**
   * Creates the lease, and sees that nobody else is at work on the same; once. What comes before must make nothing. `file` may be made
   * on the daemon's machine, `partial` on this one. Resolves to whether something was put right that an operation whose process died
   * had left in the way.
   *
   * @throws {CheckpointInProgressError} when another operation is at work on the same
   */
  async begin({ file, partial }: Pick<OperationRecord, "file" | "partial"> = {}): Promise<boolean> {
    if (this.#begun) return false;
    const { leases } = this.#services;
    const { kind, containerId, ref } = this.#subject;
    const deadlineAt = new Date(Date.now() + (timeoutOf(this.#options) ?? DAY_MS) + AFTER_DEADLINE_MS);
    const startedAt = this.#startedAt;
    const { id, callerId } = this;
    const record = { id, kind, callerId, containerId, ref, file, partial, owner: ownOwner(), startedAt, deadlineAt };
    await this.#cleanUp.hold(
      `lease ${id}`,
      (call) => leases.create({ ...call, id, labels: operationLabels(record) }),
      async (call, failed) => {
        if (failed && this.#rescued !== undefined) {
          // It is kept either way; the next one need not wait until this process ends.
          await sayGivenUp(this.#services, this.lease, process.pid, call).catch(() => {});
          throw new FailedPreconditionError(this.#rescued);
        }
        if (this.#stillPaused !== undefined) {
          await giveUp(this.#services, this.lease, this.#stillPaused);
          throw new FailedPreconditionError("it says that the task is paused, until it is recovered");
        }
        await leases.delete(this.lease, { ...call, sync: failed && this.#begun });
      },
      this.#means.signal,
    );
    const mended = await settleRivals(this.#services, record, this.call);
    this.#begun = true;
    return mended;
  }

  /**
   * To be called before a task is paused: what must be known if this process dies is written down, and a guardian stands by.
   */
  async watchPause(
    task: Task,
    record: ContainerRecord,
    beside: Pick<PauseWatchOptions, "blob" | "dumps">,
  ): Promise<PauseWatch> {
    const { maxPausedMs = DEFAULT_MAX_PAUSED_MS } = this.#options;
    const { guardian, callOff } = this.#means;
    const { call, lease } = this;
    const options = { ...beside, lease, task, record, maxPausedMs, guardian, callOff, call };
    this.#watch = await PauseWatch.begin(this.#services, options);
    return this.#watch;
  }

  /** The task could not be resumed: the guardian goes on trying, and the lease stays, for anybody to recover, until it runs. */
  abandonPause({ pid }: Task): void {
    this.#stillPaused = pid;
    this.#watch?.abandon();
  }

  /**
   * To be called right before the result is made known: from now on a pause may last longer.
   *
   * @throws {DeadlineExceededError} when the task was paused for too long
   */
  async commit(): Promise<void> {
    await this.#watch?.hold();
  }

  /**
   * To be called before criu ends the task, as `ended`: from then on the lease keeps what cannot be had again, whoever cleans up; and
   * before its memory goes through the daemon's own directory, as `temporary`.
   */
  async announce(kind: "ended" | "temporary", { pid }: Task): Promise<void> {
    await this.#services.leases.addResource(this.lease, intentResource({ kind, pid }), this.call);
  }

  /** From now on a failure leaves the lease behind, until it expires: what it holds cannot be had again. */
  rescue(what: string): void {
    this.#rescued = what;
  }

  /** A name for one part: an ingest ref, a snapshot key. */
  ref(part: string): string {
    return `${this.id}/${part}`;
  }

  /** Says where the operation is now. */
  enter(phase: string): void {
    this.phase = phase;
    this.#options.onPhase?.(phase);
  }

  /** To be done when the operation fails, newest first. */
  onFailure(what: string, undo: Undo): void {
    this.#cleanUp.onFailure(what, undo);
  }

  /** To be done however the operation ends, newest first. */
  atEnd(what: string, undo: Undo): void {
    this.#cleanUp.atEnd(what, undo);
  }

  /** Does what was registered and says what could not be done. */
  finish(failed: boolean): Promise<string[]> {
    return this.#cleanUp.run(failed);
  }
}
