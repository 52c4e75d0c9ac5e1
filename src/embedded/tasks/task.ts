import { rm } from "node:fs/promises";
import type { CheckpointOptions } from "../../api/types/runc/options/oci_pb.js";
import { AlreadyExistsError, FailedPreconditionError, NotFoundError, UnknownError } from "../../errors.js";
import type { SpecProcess } from "../../oci/runtime-spec.js";
import type { ProcessIO } from "../runtime/process-io.js";
import type { ProcessExit, RuntimeTask } from "../runtime/runtime.js";
import { TaskProcess } from "./process.js";
import type { TaskEvents } from "./task-events.js";

/**
 * A task and where it stands. What changes that happens one after the other, as in a shim; who asks in the wrong state is told so in
 * a shim's words.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/cmd/containerd-shim-runc-v2/process/init_state.go
 */
export class Task {
  readonly id: string;
  readonly init: TaskProcess;
  readonly runs: RuntimeTask;
  readonly #restored: boolean;
  readonly #events: TaskEvents;
  readonly #owned: readonly string[];
  readonly #execs = new Map<string, TaskProcess>();
  #isPaused = false;
  #last: Promise<unknown> = Promise.resolve();

  /** `owned` are files and directories that go with it. */
  constructor(id: string, io: ProcessIO, runs: RuntimeTask, events: TaskEvents, owned: readonly string[]) {
    this.id = id;
    this.runs = runs;
    this.#restored = runs.pid === 0;
    this.#events = events;
    this.#owned = owned;
    this.init = new TaskProcess(id, io, runs, runs.pid);
    void this.init.exited.then(async (exit) => {
      this.#isPaused = false;
      // Those beside it end with it, and are told of first.
      const running = [...this.#execs.values()].filter(({ status }) => status === "running");
      await Promise.all(running.map(({ exited }) => exited));
      // A start that is under way is told of first, however fast the end was.
      await this.#last;
      events.exited(id, this.init, exit);
    });
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** @throws {NotFoundError} when there is no such process */
  process(execId: string): TaskProcess {
    if (execId === "") return this.init;
    const found = this.#execs.get(execId);
    if (found === undefined) throw new NotFoundError(`process does not exist ${execId}: not found`);
    return found;
  }

  start(execId: string): Promise<TaskProcess> {
    return this.#inTurn(async () => {
      const process = this.process(execId);
      if (process.status !== "created") {
        const state = process.status === "running" && execId === "" ? this.#state() : process.status;
        throw new UnknownError(`cannot start a ${state} process`);
      }
      if (execId !== "") this.#refuseExecIn("OCI runtime exec failed: cannot exec in a");
      process.pid = await process.runs.start();
      if (process.status === "created") process.status = "running";
      if (execId === "") this.#events.started(this.id, process.pid);
      else this.#events.execStarted(this.id, execId, process.pid);
      return process;
    });
  }

  exec(execId: string, spec: SpecProcess, io: ProcessIO): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#execs.has(execId)) throw new AlreadyExistsError(`id ${execId}: already exists`);
      if (this.#isPaused || this.init.status === "stopped")
        throw new UnknownError(`cannot exec in a ${this.#state()} state`);
      if (this.#restored && this.init.status === "created") throw new UnknownError("cannot exec in a created state");
      const process = new TaskProcess(execId, io, await this.runs.exec(execId, spec, io), 0);
      this.#execs.set(execId, process);
      void process.exited.then(async (exit) => {
        await this.#last;
        if (process.pid !== 0) this.#events.exited(this.id, process, exit);
      });
      this.#events.execAdded(this.id, execId);
    });
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => {
      const { status } = this.init;
      if (status === "created") throw new UnknownError("cannot pause task in created state");
      if (status === "stopped" || this.#isPaused) throw new UnknownError(`cannot pause a ${this.#state()} container`);
      await this.runs.pause();
      // It may have ended on its way.
      if (this.init.exit !== undefined) return;
      this.#isPaused = true;
      this.#events.paused(this.id);
    });
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      const { status } = this.init;
      if (status === "created") throw new UnknownError("cannot resume task in created state");
      if (!this.#isPaused) throw new UnknownError(`cannot resume a ${this.#state()} process`);
      await this.runs.resume();
      this.#isPaused = false;
      this.#events.resumed(this.id);
    });
  }

  /** Saves it into an empty directory; it goes on as it was unless the options say that it ends. */
  checkpoint(directory: string, options: CheckpointOptions): Promise<void> {
    return this.#inTurn(async () => {
      const { status } = this.init;
      if (status === "created") throw new UnknownError("cannot checkpoint a task in created state");
      if (status === "stopped") throw new UnknownError("cannot checkpoint a stopped container");
      await this.runs.checkpoint(directory, options);
    });
  }

  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    const process = this.process(execId);
    if (process.status === "stopped") throw new NotFoundError("process already finished: not found");
    if (process.status === "created") {
      if (execId !== "") throw new FailedPreconditionError("process not created: failed precondition");
      if (this.#restored) throw new NotFoundError("process already finished: not found");
    }
    await process.runs.kill(signal, all);
  }

  /** Removes a process that does not run; the first one with all that is left beside it. */
  delete(execId: string): Promise<ProcessExit | undefined> {
    return this.#inTurn(async () => {
      const process = this.process(execId);
      if (process.status === "running") {
        const message = `cannot delete a ${execId === "" ? this.#state() : "running"} process`;
        throw new UnknownError(message);
      }
      if (execId !== "") {
        this.#execs.delete(execId);
        await process.runs.delete();
        return process.exit;
      }
      for (const other of this.#execs.values()) await other.runs.delete();
      this.#execs.clear();
      // One that was made and never started has to be ended first.
      const ended = process.status === "created" && !this.#restored ? process.exited : undefined;
      await this.runs.delete();
      for (const path of this.#owned) await rm(path, { recursive: true, force: true });
      return (await ended) ?? process.exit;
    });
  }

  /** Process ids, each with the exec it was started for. */
  async pids(): Promise<{ readonly pid: number; readonly execId: string | undefined }[]> {
    const execs = new Map([...this.#execs.values()].map((process) => [process.pid, process.id]));
    return (await this.runs.pids()).map((pid) => ({ pid, execId: execs.get(pid) }));
  }

  #state(): string {
    if (this.init.status === "running" && this.#isPaused) return "paused";
    return this.init.status;
  }

  #refuseExecIn(message: string): void {
    if (this.init.status !== "running") throw new UnknownError(`${message} ${this.init.status} container`);
    if (this.#isPaused) throw new UnknownError(`${message} paused container`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
