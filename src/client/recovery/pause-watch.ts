import type { CallOptions, LeaseRef } from "../../call-options.js";
import { DeadlineExceededError } from "../../errors.js";
import type { DaemonDumps } from "../../guardian/daemon-dumps.js";
import type { ContainerRecord } from "../container-record.js";
import type { Services } from "../services.js";
import type { Task } from "../task.js";
import { together } from "../together.js";
import { freezerOfRecord } from "./frozen-task.js";
import type { Guard, GuardianUse } from "./guardian.js";
import { PauseNote } from "./pause-note.js";

// What starting and ending a pause may take beside it.
const AROUND_MS = 3 * 60_000;

/** How a pause is watched over. */
export interface PauseWatchOptions {
  readonly lease: LeaseRef;
  readonly task: Task;
  readonly record: ContainerRecord;
  /** A blob that is to be in the store when the pause is over. */
  readonly blob: Uint8Array | undefined;
  /** Where the daemon may leave the task's memory. */
  readonly dumps: DaemonDumps | undefined;
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
  readonly #note: PauseNote;
  #guard: Guard | undefined;
  #timer: NodeJS.Timeout | undefined;
  #overrun: DeadlineExceededError | undefined;
  #pausingSince: number | undefined;
  #guarded = false;
  #over = false;

  private constructor(services: Services, options: PauseWatchOptions) {
    this.#services = services;
    this.#options = options;
    const { lease, task, maxPausedMs, blob } = options;
    const untilAt = new Date(Date.now() + maxPausedMs);
    this.#note = new PauseNote(services, lease, { kind: "paused", pid: task.pid, untilAt }, blob);
  }

  /** Writes the intent, and waits until it stands there and the guardian watches. */
  static async begin(services: Services, options: PauseWatchOptions): Promise<PauseWatch> {
    const watch = new PauseWatch(services, options);
    const [guard] = await together([
      watch.#findGuard(),
      watch.#note.write(options.call, options.maxPausedMs + AROUND_MS),
    ]);
    watch.#guard = guard;
    // With the first process of a pid namespace the kernel kills all others.
    watch.#guarded = guard !== undefined && process.pid !== 1;
    return watch;
  }

  async #findGuard(): Promise<Guard | undefined> {
    const { lease, task, record, guardian, dumps, call } = this.#options;
    if (guardian === undefined) return undefined;
    const pause = {
      namespace: this.#services.namespace,
      containerId: task.id,
      pid: task.pid,
      intent: { lease: lease.id, ...this.#note.resource },
      freezer: await freezerOfRecord(this.#services, record, task.pid, call),
      dumps,
    };
    return guardian.watch(pause, () => this.#tooLong());
  }

  /** Whether a guardian stood by all the time. */
  get guarded(): boolean {
    return this.#guarded;
  }

  /** To be called right before the task is paused. */
  pausing(): void {
    const { maxPausedMs } = this.#options;
    this.#pausingSince ??= performance.now();
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
   * To be called when the task was found running: that may have been the guardian, who comes after the time is over.
   *
   * @throws {DeadlineExceededError} when it is
   */
  requireInTime(): void {
    const { maxPausedMs } = this.#options;
    if (performance.now() - (this.#pausingSince ?? Number.NaN) >= maxPausedMs) this.#tooLong();
    this.#require();
  }

  /** To be called when the task runs again. */
  async resumed(): Promise<void> {
    await this.#note.isOver();
  }

  /**
   * To be called after that: nobody has to know of the pause any more.
   *
   * @throws {DeadlineExceededError} when it took too long
   */
  async release(call: CallOptions & { readonly timeoutMs: number }): Promise<void> {
    await together([this.#dismiss(), this.#note.erase(call)]);
    this.#require();
  }

  /** To be called when the task runs again, or was not paused, and nothing else matters any more. */
  async settle(): Promise<void> {
    await together([this.#dismiss(), this.#note.leave()]);
  }

  async #dismiss(): Promise<void> {
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
    this.#note.leave().catch(() => {
      // The word stays on the lease either way, and that is what it is for.
    });
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
