import { Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import { type Process as ProcessMessage, Status } from "../api/types/task/task_pb.js";
import type { CallOptions } from "../call-options.js";
import { isNotFound } from "../errors.js";
import type { Services } from "./services.js";
import { fromShim } from "./shim-errors.js";
import { signalNumber } from "./signals.js";
import type { OpenIO } from "./task-io.js";
import { dateOf, present, recordedAt } from "./wire.js";

/**
 * Where a process stands in its life.
 *
 * @inline
 */
export type ProcessState = "created" | "running" | "stopped" | "paused" | "pausing" | "unknown";

/**
 * What the daemon says of a process now.
 *
 * @inline
 */
export interface ProcessStatus {
  /** Where it stands. */
  readonly status: ProcessState;
  /** How it ended; absent before it did. 128 and the signal's number when a signal ended it. */
  readonly exitStatus?: number;
  /** When it ended. */
  readonly exitedAt?: Date;
}

/**
 * How a process ended.
 *
 * @inline
 */
export interface Exit {
  /** Its exit status; 128 and the signal's number when a signal ended it. */
  readonly exitStatus: number;
  /** When it ended. */
  readonly exitedAt: Date;
}

/**
 * Streams of a process that were handed out rather than given by the caller.
 *
 * @inline
 */
export type ProcessStreams = Pick<OpenIO, "stdin" | "stdout" | "stderr">;

/**
 * Which processes a signal goes to.
 *
 * @inline
 */
export interface KillOptions extends CallOptions {
  /** To all processes of the task, not to this one alone. */
  readonly all?: boolean | undefined;
}

const states: { readonly [S in Status]: ProcessState } = {
  [Status.UNKNOWN]: "unknown",
  [Status.CREATED]: "created",
  [Status.RUNNING]: "running",
  [Status.STOPPED]: "stopped",
  [Status.PAUSED]: "paused",
  [Status.PAUSING]: "pausing",
};

/** What a process of the wire says about itself. */
export function processStatus({ status: state, exitStatus, exitedAt: at }: ProcessMessage): ProcessStatus {
  const status = states[state] ?? "unknown";
  if (status !== "stopped") return { status };
  const exitedAt = dateOf(at);
  return { status, exitStatus, ...(exitedAt === undefined ? {} : { exitedAt }) };
}

/** A process in a task. It runs only after {@link Process.start}. */
export class Process {
  /** Id of the container it runs in. */
  readonly containerId: string;
  /** Its id among the processes of the task; empty for the task's own, the init process. */
  readonly execId: string;
  /** Streams to write to and read from, where the process was made here and they were asked for. */
  readonly io: ProcessStreams;
  /** @internal */
  protected readonly services: Services;
  /** @internal */
  protected readonly openIO: OpenIO | undefined;
  #pid: number;

  /** @internal */
  constructor(services: Services, containerId: string, execId: string, pid: number, io?: OpenIO) {
    this.services = services;
    this.containerId = containerId;
    this.execId = execId;
    this.#pid = pid;
    this.openIO = io;
    this.io = io ?? {};
  }

  /** Its process id on the daemon's host; 0 before it is known. A restored task has none before it is started. */
  get pid(): number {
    return this.#pid;
  }

  /**
   * Starts it.
   *
   * @throws {FailedPreconditionError} when it was started before
   * @throws {NotFoundError} when it is gone
   */
  async start(call: CallOptions = {}): Promise<void> {
    const input = { containerId: this.containerId, execId: this.execId };
    const reply = await fromShim(this.services.rpc.unary(Tasks.method.start, input, call));
    this.#pid = reply.pid;
    this.openIO?.started(
      () => this.closeStdin(),
      (signal) => this.wait({ signal }),
    );
  }

  /**
   * Asks the daemon where it stands.
   *
   * @throws {NotFoundError} when it is gone
   */
  async status(call: CallOptions = {}): Promise<ProcessStatus> {
    const input = { containerId: this.containerId, execId: this.execId };
    const reply = await this.services.rpc.unary(Tasks.method.get, input, call);
    return processStatus(present(reply.process, "a process"));
  }

  /**
   * Resolves when it has ended. May be called before it is started, so that a fast end is not missed.
   *
   * @throws {NotFoundError} when it is gone
   * @throws {UnavailableError} when the daemon goes away meanwhile; the process may run on
   */
  async wait(call: CallOptions = {}): Promise<Exit> {
    const input = { containerId: this.containerId, execId: this.execId };
    const { exitStatus, exitedAt } = await fromShim(this.services.rpc.unary(Tasks.method.wait, input, call));
    return { exitStatus, exitedAt: recordedAt(exitedAt) };
  }

  /**
   * Sends a signal.
   *
   * @throws {NotFoundError} when it is gone or has ended
   * @throws {InvalidArgumentError} when Linux has no such signal
   */
  async kill(signal: NodeJS.Signals | number, options: KillOptions = {}): Promise<void> {
    const { containerId, execId } = this;
    const input = { containerId, execId, signal: signalNumber(signal), all: options.all ?? false };
    await fromShim(this.services.rpc.unary(Tasks.method.kill, input, options));
  }

  /**
   * Sets the size of its terminal, in characters.
   *
   * @throws {NotFoundError} when it is gone
   */
  async resize(size: { readonly width: number; readonly height: number }, call: CallOptions = {}): Promise<void> {
    const { containerId, execId } = this;
    const { width, height } = size;
    await fromShim(this.services.rpc.unary(Tasks.method.resizePty, { containerId, execId, width, height }, call));
  }

  /**
   * Lets it read the end of its input. Ending a stream that was handed out or given does this by itself.
   *
   * @throws {NotFoundError} when it is gone
   */
  async closeStdin(call: CallOptions = {}): Promise<void> {
    const { containerId, execId } = this;
    await fromShim(this.services.rpc.unary(Tasks.method.closeIO, { containerId, execId, stdin: true }, call));
  }

  /**
   * Removes it and tells how it ended; streams are read to their end and closed first.
   *
   * @throws {FailedPreconditionError} when it still runs and `force` was not given
   * @throws {NotFoundError} when it is gone already
   */
  async delete(options: DeleteProcessOptions = {}): Promise<Exit> {
    const exit = await this.#removeRead(options).catch(async (reason: unknown) => {
      // Somebody else has removed it: that is what the caller has to hear of, whatever became of its streams.
      if (isNotFound(reason)) await this.#closeIO().catch(() => {});
      throw reason;
    });
    await this.#closeIO();
    return exit;
  }

  async #removeRead(options: DeleteProcessOptions): Promise<Exit> {
    if (options.force === true) await this.end(options);
    // The shim drops soon after the removal what nobody has read from it yet.
    if (this.openIO !== undefined && (await this.status(options)).status === "stopped") await this.openIO.finish();
    return this.remove(options);
  }

  async #closeIO(): Promise<void> {
    await this.openIO?.finish();
    await this.openIO?.close();
  }

  /** @internal */
  protected async remove(call: CallOptions): Promise<Exit> {
    const { containerId, execId } = this;
    const reply = await fromShim(this.services.rpc.unary(Tasks.method.deleteProcess, { containerId, execId }, call));
    return { exitStatus: reply.exitStatus, exitedAt: recordedAt(reply.exitedAt) };
  }

  /** @internal */
  protected async end(call: CallOptions): Promise<void> {
    const { status } = await this.status(call);
    if (status === "stopped" || status === "created") return;
    const exit = this.wait(call);
    // It is awaited below; until then a failure must not count as unhandled.
    exit.catch(() => {});
    await this.kill("SIGKILL", { ...call, all: this.execId === "" }).catch((reason: unknown) => {
      // It may have ended by itself since; whether it is there at all, the wait says.
      if (!isNotFound(reason)) throw reason;
    });
    await exit;
  }
}

/**
 * How a process is removed.
 *
 * @inline
 */
export interface DeleteProcessOptions extends CallOptions {
  /** Kill it first when it still runs. */
  readonly force?: boolean | undefined;
}
