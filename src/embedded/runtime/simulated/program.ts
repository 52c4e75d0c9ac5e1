import type { TerminalSize } from "../../../oci/runtime-spec.js";

/**
 * Something to wait for. It is wrapped, as a generator would await a bare promise before it yields.
 *
 * @inline
 */
export interface ProgramWait {
  /** Settled when there is nothing more to wait for. */
  readonly until: Promise<unknown>;
}

/** What a program waits for where it may be frozen: so many milliseconds, or something. Nothing: only for others to have their turn. */
export type ProgramPause = number | ProgramWait | undefined;

/**
 * What a simulated process reads.
 *
 * @inline
 */
export interface ProgramInput {
  /** To be yielded: until there is something for `read` to say. */
  ready(): ProgramWait;
  /** Takes what has come; `undefined` at the end, and empty when nothing has come. */
  read(): Uint8Array | undefined;
}

/**
 * What a simulated process writes to.
 *
 * @inline
 */
export interface ProgramOutput {
  /** Takes it. What is returned is to be yielded: until there is room for more. */
  write(data: string | Uint8Array): ProgramWait;
}

/**
 * The files of a container; paths as the container sees them, from its root.
 *
 * @inline
 */
export interface ProgramFiles {
  /**
   * The bytes of a regular file.
   *
   * @throws {NotFoundError} when it is not there
   */
  readFile(path: string): Promise<Uint8Array>;
  /** Writes a regular file whole, and makes it where there is none; its directory must be there. */
  writeFile(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
}

/** What a simulated process has. */
export interface SimulatedProcess {
  /** The command line, with the program's name. */
  readonly args: readonly string[];
  /** Environment as `NAME=value`. */
  readonly env: readonly string[];
  /** Where it runs. */
  readonly cwd: string;
  /**
   * All that it remembers when it is thawed from a checkpoint. Empty at first; to be changed in place, or replaced by
   * another.
   */
  memory: Uint8Array;
  /** The files of its container. */
  readonly rootfs: ProgramFiles;
  /** What it reads. */
  readonly stdin: ProgramInput;
  /** What it writes to. */
  readonly stdout: ProgramOutput;
  /** What it complains to; what it writes to when it has a terminal. */
  readonly stderr: ProgramOutput;
  /** Size of its terminal; `undefined` when it has none, or nobody said. */
  readonly terminalSize: TerminalSize | undefined;
  /**
   * Has a signal handled, which then ends a pause of the program's. Without a handler it ends the process; the container's first
   * process takes no notice, as on Linux. `SIGKILL` cannot be handled.
   */
  on(signal: NodeJS.Signals, handler: () => void): void;
}

/**
 * What a simulated process does: an async generator that yields wherever it may be frozen, and there alone. It returns the exit
 * status, 0 when it says nothing. A process that is thawed begins anew, with the memory it had: so whatever it must
 * remember is in {@link SimulatedProcess.memory} when it yields.
 *
 * @example
 * ```ts
 * const countdown: Program = async function* (process) {
 *   if (process.memory.length === 0) process.memory = Uint8Array.of(10);
 *   const { memory, stdout } = process;
 *   while (memory[0] > 0) {
 *     memory[0] -= 1;
 *     yield stdout.write(`${memory[0]}\n`);
 *     yield 1000;
 *   }
 * };
 * ```
 */
export type Program = (
  process: SimulatedProcess,
) => AsyncGenerator<ProgramPause, number | undefined, void> | AsyncGenerator<ProgramPause, void, void>;

/** Programs by the name of their file. */
export type Programs = Readonly<Record<string, Program>>;
