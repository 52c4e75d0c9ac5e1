import { setTimeout as sleep } from "node:timers/promises";
import { InternalError, UnknownError } from "../../../errors.js";
import type { SpecProcess, TerminalSize } from "../../../oci/runtime-spec.js";
import type { ProcessIO } from "../process-io.js";
import type { ProcessExit, RuntimeProcess } from "../runtime.js";
import type { FrozenProcess } from "./dump.js";
import type { Program, ProgramFiles, ProgramPause, SimulatedProcess } from "./program.js";
import { isHarmless, SIGKILL, SIGWINCH, signalOf } from "./signals.js";
import { openStreams, type Streams } from "./streams.js";

const FREEZE_MS = 10_000;
const FAULT = 1;
// Timers of Node.js know no more.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What a simulated process is made of. */
export interface ProcessRequest {
  readonly pid: number;
  /** Looked for when it is started. */
  readonly program: () => Program;
  readonly process: SpecProcess;
  readonly io: ProcessIO;
  readonly tree: ProgramFiles | undefined;
  /** The container's first process takes no notice of signals it does not handle. */
  readonly first: boolean;
  /** What it was when it was frozen. */
  readonly frozen?: FrozenProcess | undefined;
}

/** A program that runs in this process, from one yield to the next. */
export class RunningProgram implements RuntimeProcess {
  readonly exited: Promise<ProcessExit>;
  readonly #request: ProcessRequest;
  readonly #handlers = new Map<number, () => void>();
  #exit: (exitStatus: number) => void = () => {};
  #running = false;
  #over = false;
  #streams: Streams | undefined;
  #self: SimulatedProcess | undefined;
  #size: TerminalSize | undefined;
  #atRest = true;
  #rested: () => void = () => {};
  #thawed: Promise<void> | undefined;
  #thaw: () => void = () => {};
  #interrupt: () => void = () => {};
  #pending: number[] = [];

  constructor(request: ProcessRequest) {
    this.#request = request;
    this.#size = request.process.consoleSize;
    this.exited = new Promise((resolve) => {
      this.#exit = (exitStatus) => {
        if (this.#over) return;
        this.#over = true;
        this.#streams?.stdout.end();
        this.#streams?.stderr.end();
        this.#rested();
        this.#interrupt();
        this.#thaw();
        resolve({ exitStatus, exitedAt: new Date() });
      };
    });
  }

  get pid(): number {
    return this.#request.pid;
  }

  /** Whether it was started and has not ended. */
  get isRunning(): boolean {
    return this.#running && !this.#over;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Opens its streams, which a client may do from its side only now. */
  async open(): Promise<void> {
    if (this.#streams !== undefined) return;
    const { io, frozen, process } = this.#request;
    this.#streams = await openStreams(io, frozen, (signal) => void this.kill(signal));
    this.#self = this.#facade(process, this.#streams);
  }

  async start(): Promise<number> {
    const program = this.#request.program();
    await this.open();
    this.#running = true;
    void this.#run(program);
    return this.pid;
  }

  async kill(signal: number): Promise<void> {
    if (signal === 0 || this.#over) return;
    if (signal === SIGKILL) return this.#exit(128 + signal);
    if (this.#thawed === undefined) this.#deliver(signal);
    else this.#pending.push(signal);
  }

  async resize(width: number, height: number): Promise<void> {
    if (!this.#request.io.terminal) return;
    this.#size = { width, height };
    await this.kill(SIGWINCH);
  }

  async closeStdin(): Promise<void> {
    this.#streams?.stdin.closeGuard();
  }

  async delete(): Promise<void> {
    this.#exit(128 + SIGKILL);
    this.#streams?.stdin.close();
    this.#streams?.stdout.close();
    this.#streams?.stderr.close();
  }

  /** Resolves when it stands at a yield, and stays there until {@link resume}. */
  async pause(): Promise<void> {
    this.#thawed ??= new Promise((resolve) => {
      this.#thaw = resolve;
    });
    if (this.#atRest || this.#over) return;
    const late = new AbortController();
    const rested = new Promise<void>((resolve) => {
      this.#rested = resolve;
    });
    const outOfTime = sleep(FREEZE_MS, undefined, { signal: late.signal }).then(() => {
      throw new UnknownError(`cannot freeze: the program of process ${this.pid} came to no yield in ${FREEZE_MS} ms`);
    });
    outOfTime.catch(() => {});
    try {
      await Promise.race([rested, outOfTime]);
    } finally {
      late.abort();
    }
  }

  resume(): void {
    this.#thawed = undefined;
    for (const signal of this.#pending.splice(0)) this.#deliver(signal);
    this.#thaw();
  }

  /** What it is now; to be asked while it is paused. */
  frozen(): FrozenProcess {
    if (this.#self === undefined || this.#streams === undefined) throw new InternalError("The process never ran");
    const { stdin, stdout, stderr } = this.#streams;
    return {
      args: this.#self.args,
      env: this.#self.env,
      cwd: this.#self.cwd,
      memory: Uint8Array.from(this.#self.memory),
      stdin: stdin.unread,
      stdout: stdout.unsent,
      stderr: stderr === stdout ? new Uint8Array() : stderr.unsent,
    };
  }

  /** Bytes it remembers. */
  get memoryBytes(): number {
    return this.#over ? 0 : (this.#self?.memory.length ?? 0);
  }

  async #run(program: Program): Promise<void> {
    const self = this.#self;
    if (self === undefined) return;
    this.#atRest = false;
    try {
      const steps = program(self);
      for (;;) {
        const step = await steps.next();
        if (this.#over) return;
        if (step.done === true) return await this.#end(step.value ?? 0);
        await this.#rest(step.value);
        if (this.#over) return;
      }
    } catch (reason) {
      if (this.#over) return;
      const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
      self.stderr.write(`${text}\n`);
      await this.#end(FAULT);
    }
  }

  /** It ends once others took what it wrote, as a process does that writes to a full pipe. */
  async #end(exitStatus: number): Promise<void> {
    for (const output of [this.#streams?.stdout, this.#streams?.stderr]) await this.#rest(output?.flushed());
    this.#exit(exitStatus & 0xff);
  }

  /** A yield: here, and only here, it stands still when it is paused. */
  async #rest(until: ProgramPause): Promise<void> {
    this.#atRest = true;
    this.#rested();
    const interrupted = new Promise<void>((resolve) => {
      this.#interrupt = resolve;
    });
    const awake = new AbortController();
    const timer = (ms: number): Promise<void> =>
      sleep(Math.min(ms, LONGEST_TIMER_MS), undefined, { signal: awake.signal }).catch(() => {});
    try {
      await Promise.race([typeof until === "number" ? timer(until) : (until?.until ?? timer(0)), interrupted]);
    } finally {
      awake.abort();
    }
    while (this.#thawed !== undefined && !this.#over) await this.#thawed;
    this.#atRest = false;
  }

  #deliver(signal: number): void {
    const handler = this.#handlers.get(signal);
    if (handler !== undefined) {
      handler();
      this.#interrupt();
    } else if (!this.#request.first && !isHarmless(signal)) {
      this.#exit(128 + signal);
    }
  }

  /** What the program sees. Once it is over nothing that it does has an effect any more. */
  #facade(process: SpecProcess, { read: stdin, stdout, stderr }: Streams): SimulatedProcess {
    const { tree, frozen } = this.#request;
    const files = (): ProgramFiles => {
      if (this.#over) throw new InternalError(`Process ${this.pid} is over`);
      if (tree === undefined) throw new UnknownError("The container has no root filesystem");
      return tree;
    };
    const size = (): TerminalSize | undefined => this.#size;
    return {
      args: frozen?.args ?? process.args ?? [],
      env: frozen?.env ?? process.env ?? [],
      cwd: frozen?.cwd ?? process.cwd,
      memory: frozen?.memory ?? new Uint8Array(),
      rootfs: {
        readFile: async (path) => files().readFile(path),
        writeFile: async (path, bytes, mode) => files().writeFile(path, bytes, mode),
      },
      stdin,
      stdout,
      stderr,
      get terminalSize() {
        return size();
      },
      on: (name, handler) => void this.#handlers.set(signalOf(name), handler),
    };
  }
}
