import type { CallOptions, LeaseRef } from "../../call-options.js";
import { DeadlineExceededError } from "../../errors.js";
import type { Services } from "../services.js";
import type { Task } from "../task.js";
import { freezerOf } from "./frozen-task.js";
import type { Guard, GuardianUse } from "./guardian.js";
import { intentResource } from "./intent.js";

/** How a pause is watched over. */
export interface PauseWatchOptions {
  readonly lease: LeaseRef;
  readonly task: Task;
  readonly maxPausedMs: number;
  readonly guardian: GuardianUse | undefined;
  /** Calls the operation off. */
  readonly callOff: (reason: Error) => void;
  readonly call: CallOptions;
}

/**
 * One pause that must end: it stands on the operation's lease before it begins, a guardian knows of it, and it may only last so long.
 */
export class PauseWatch {
  readonly #services: Services;
  readonly #options: PauseWatchOptions;
  readonly #resource: ReturnType<typeof intentResource>;
  #guard: Guard | undefined;
  #timer: NodeJS.Timeout | undefined;
  #overrun: DeadlineExceededError | undefined;
  #guarded = false;
  #over = false;

  private constructor(services: Services, options: PauseWatchOptions) {
    this.#services = services;
    this.#options = options;
    const untilAt = new Date(Date.now() + options.maxPausedMs);
    this.#resource = intentResource({ kind: "paused", pid: options.task.pid, untilAt });
  }

  /** Writes the intent and waits until the guardian watches. */
  static async begin(services: Services, options: PauseWatchOptions): Promise<PauseWatch> {
    const watch = new PauseWatch(services, options);
    const { lease, task, guardian, call } = options;
    const [freezer] = await Promise.all([
      guardian && freezerOf(services, task.id, task.pid, call),
      services.leases.addResource(lease, watch.#resource, call),
    ]);
    const pause = {
      namespace: services.namespace,
      containerId: task.id,
      pid: task.pid,
      intent: { lease: lease.id, ...watch.#resource },
      freezer,
    };
    watch.#guard = await guardian?.watch(pause, () => watch.#tooLong());
    watch.#guarded = watch.#guard !== undefined;
    return watch;
  }

  /** Whether a guardian stood by all the time. */
  get guarded(): boolean {
    return this.#guarded;
  }

  /** To be called right before the task is paused. */
  pausing(): void {
    const { maxPausedMs } = this.#options;
    this.#guard?.pausing(maxPausedMs);
    this.#timer ??= setTimeout(() => this.#tooLong(), maxPausedMs);
  }

  /** To be called when it is paused. */
  paused(): void {
    this.#guard?.paused();
  }

  /**
   * From now on the pause may last longer, as what was captured is about to be made known.
   *
   * @throws {DeadlineExceededError} when it was too long already
   */
  async hold(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#guard !== undefined && !this.#over) this.#guarded &&= await this.#guard.hold();
    this.#require();
  }

  /**
   * To be called when the task runs again.
   *
   * @throws {DeadlineExceededError} when it took too long
   */
  async release(call: CallOptions): Promise<void> {
    await Promise.all([this.settle(), this.#services.leases.deleteResource(this.#options.lease, this.#resource, call)]);
    this.#require();
  }

  /** To be called when the task runs again, or was not paused, and nothing else matters any more. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#over) return;
    this.#over = true;
    const there = await this.#guard?.done();
    this.#guarded &&= there === true;
  }

  /** To be called when the task could not be resumed. */
  abandon(): void {
    clearTimeout(this.#timer);
    this.#guard?.end();
  }

  #require(): void {
    if (this.#overrun !== undefined) throw this.#overrun;
  }

  #tooLong(): void {
    const { task, maxPausedMs, callOff } = this.#options;
    this.#overrun ??= new DeadlineExceededError(`Container ${task.id} was paused for more than ${maxPausedMs} ms`, {
      hint: "It runs on. Allow more with maxPausedMs.",
    });
    callOff(this.#overrun);
  }
}
