import { mkdir, readdir } from "node:fs/promises";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { CheckpointOptions } from "../../../api/types/runc/options/oci_pb.js";
import { FailedPreconditionError, UnknownError } from "../../../errors.js";
import type { SpecProcess, SpecResources } from "../../../oci/runtime-spec.js";
import { cgroupMetrics } from "../cgroup-metrics.js";
import type { ProcessIO } from "../process-io.js";
import type { ProcessExit, RuntimeProcess, RuntimeTask, TaskRequest } from "../runtime.js";
import { type FrozenProcess, writeDump } from "./dump.js";
import { RunningProgram } from "./process.js";
import type { Program } from "./program.js";
import { isSignal, SIGKILL } from "./signals.js";

/** What a program is looked for. */
export type Doing = "create" | "exec" | "restore";

/** What tasks have of their runtime. */
export interface TaskHome {
  nextPid(): number;
  program(args: readonly string[], doing: Doing): Program;
  deleted(): void;
}

/** The programs of one container. */
export class SimulatedTask implements RuntimeTask {
  readonly exited: Promise<ProcessExit>;
  readonly #request: TaskRequest;
  readonly #home: TaskHome;
  readonly #restored: boolean;
  readonly #init: RunningProgram;
  readonly #execs = new Set<RunningProgram>();
  #started = false;
  #isPaused = false;
  #pidsLimit: bigint | undefined;
  #cpuSince = 0;

  constructor(request: TaskRequest, frozen: FrozenProcess | undefined, home: TaskHome) {
    this.#request = request;
    this.#home = home;
    this.#restored = frozen !== undefined;
    const process = request.spec.process ?? { cwd: "/", user: { uid: 0, gid: 0 } };
    const [args, doing] =
      frozen === undefined ? [process.args ?? [], "create" as const] : [frozen.args, "restore" as const];
    // A container that cannot be made says so at once, one that cannot be thawed when it is to be.
    if (frozen === undefined) home.program(args, doing);
    this.#init = new RunningProgram({
      pid: home.nextPid(),
      program: () => home.program(args, doing),
      process,
      io: request.io,
      tree: request.tree,
      first: true,
      frozen,
    });
    this.exited = this.#init.exited;
    // The kernel ends what is in a pid namespace with its first process.
    void this.exited.then(() => this.#killExecs());
  }

  get pid(): number {
    return this.#restored && !this.#started ? 0 : this.#init.pid;
  }

  open(): Promise<void> {
    return this.#init.open();
  }

  async start(): Promise<number> {
    const pid = await this.#init.start();
    this.#started = true;
    this.#cpuSince = performance.now();
    return pid;
  }

  async exec(_execId: string, process: SpecProcess, io: ProcessIO): Promise<RuntimeProcess> {
    const made = new RunningProgram({
      pid: this.#home.nextPid(),
      program: () => this.#home.program(process.args ?? [], "exec"),
      process,
      io,
      tree: this.#request.tree,
      first: false,
    });
    this.#execs.add(made);
    void made.exited.then(() => this.#execs.delete(made));
    return made;
  }

  async kill(signal: number, all: boolean): Promise<void> {
    if (!isSignal(signal)) {
      throw new UnknownError(
        "unknown error after kill: runc did not terminate successfully: exit status 1: unable to signal init: invalid argument\n",
      );
    }
    if (!this.#started && signal !== 0) return this.#init.kill(SIGKILL);
    await this.#init.kill(signal);
    if (all) await Promise.all([...this.#execs].map((exec) => exec.kill(signal)));
  }

  resize(width: number, height: number): Promise<void> {
    return this.#init.resize(width, height);
  }

  closeStdin(): Promise<void> {
    return this.#init.closeStdin();
  }

  async pause(): Promise<void> {
    try {
      await Promise.all(this.#all().map((process) => process.pause()));
      this.#isPaused = true;
    } catch (reason) {
      await this.resume();
      throw reason;
    }
  }

  async resume(): Promise<void> {
    this.#isPaused = false;
    for (const process of this.#all()) process.resume();
  }

  async checkpoint(directory: string, options: CheckpointOptions): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if ((await readdir(directory)).length > 0) {
      throw new FailedPreconditionError(`Cannot dump into ${directory}: it is not empty`);
    }
    const wasPaused = this.#isPaused;
    await this.pause();
    try {
      if (this.#init.isOver) throw new UnknownError("OCI runtime checkpoint failed: container not running");
      await writeDump(directory, this.#init.frozen());
      if (options.exit) await this.#init.kill(SIGKILL);
    } finally {
      if (!wasPaused) await this.resume();
    }
  }

  async pids(): Promise<readonly number[]> {
    return this.#all().map(({ pid }) => pid);
  }

  async update({ pids }: SpecResources): Promise<void> {
    if (pids !== undefined) this.#pidsLimit = BigInt(pids.limit);
  }

  async metrics(): Promise<Any> {
    const all = this.#all();
    return cgroupMetrics({
      pids: BigInt(all.length),
      pidsLimit: this.#pidsLimit,
      // Programs have no clock of their own: it is the time they have been there.
      cpuMicroseconds: this.#started ? BigInt(Math.round((performance.now() - this.#cpuSince) * 1000)) : 0n,
      memoryBytes: BigInt(all.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)),
      memoryLimit: undefined,
    });
  }

  async delete(): Promise<void> {
    await this.#killExecs();
    await this.#init.delete();
    this.#home.deleted();
  }

  #all(): RunningProgram[] {
    const first = this.pid === 0 || this.#init.isOver ? [] : [this.#init];
    return [...first, ...[...this.#execs].filter((exec) => exec.isRunning)];
  }

  async #killExecs(): Promise<void> {
    await Promise.all([...this.#execs].map((exec) => exec.kill(SIGKILL)));
  }
}
