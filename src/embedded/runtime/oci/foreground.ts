import { type ChildProcess, execFile } from "node:child_process";
import { closeSync } from "node:fs";
import { readFile, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { UnknownError } from "../../../errors.js";
import { closeGuard, type OpenStream, openInput, openOutput, type ProcessIO } from "../process-io.js";
import type { ProcessExit } from "../runtime.js";
import { lastErrorIn, type RuntimeCommand } from "./runtime-command.js";

const run = promisify(execFile);
const POLL_MS = 5;
// What a shell says of a program it cannot run; a runtime that was killed has nothing to say.
const NO_STATUS = 255;

/** A runtime in the foreground: it stays with the process it runs, carries its streams, and ends as that ends. */
export class Foreground {
  readonly exited: Promise<ProcessExit>;
  readonly #command: RuntimeCommand;
  readonly #io: ProcessIO;
  readonly #log: string;
  #resolve: (exit: ProcessExit) => void = () => {};
  #streams: readonly (OpenStream | undefined)[] = [];
  #inputGuard: OpenStream | undefined;
  #child: ChildProcess | undefined;
  #over = false;
  #status: number | undefined;

  /** `log` is a file it writes its own errors to. */
  constructor(command: RuntimeCommand, io: ProcessIO, log: string) {
    this.#command = command;
    this.#io = io;
    this.#log = log;
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Opens the streams the client named; those nobody named lead nowhere. */
  async openStreams(): Promise<void> {
    const { stdin, stdout, stderr, terminal } = this.#io;
    const silent = stdout === "" && stderr === "";
    const streams: (OpenStream | undefined)[] = [];
    this.#streams = streams;
    try {
      streams.push(openInput(stdin));
      this.#inputGuard = streams[0];
      streams.push(silent ? undefined : await openOutput(stdout));
      streams.push(silent || terminal ? undefined : await openOutput(stderr));
    } catch (reason) {
      this.#closeEnds();
      this.close();
      throw reason;
    }
  }

  /** Starts it. */
  spawn(args: readonly string[]): void {
    const line = this.#command.foreground(this.#log, args);
    const { terminal } = this.#io;
    const [stdin, stdout, stderr] = this.#streams.map((stream) => stream?.fd);
    // A terminal without anybody at it must not look like one where somebody left.
    const input = stdin ?? (terminal ? "pipe" : "ignore");
    const output = stdout ?? "ignore";
    const child = this.#command.spawn(terminal ? inTerminal(line) : line, [
      input,
      output,
      terminal ? output : (stderr ?? "ignore"),
    ]);
    this.#child = child;
    this.#closeEnds();
    const end = (code: number | null): void => {
      if (this.#over) return;
      this.#over = true;
      child.stdin?.destroy();
      this.#resolve({ exitStatus: this.#status ?? code ?? NO_STATUS, exitedAt: new Date() });
    };
    child.on("exit", end);
    child.on("error", () => end(null));
  }

  /** Waits until `look` finds something, or the runtime has ended. */
  async until<T>(look: () => Promise<T | undefined>): Promise<T | undefined> {
    for (;;) {
      const over = this.#over;
      const found = await look();
      if (found !== undefined || over) return found;
      await sleep(POLL_MS);
    }
  }

  /** The process id the runtime writes down. */
  pidIn(file: string): Promise<number | undefined> {
    return this.until(async () => {
      const text = await readFile(file, "utf8").catch(() => "");
      return text === "" ? undefined : Number(text);
    });
  }

  /** The process it runs never comes to run: however the runtime ends, this is how that ends. */
  giveUp(exitStatus: number): void {
    this.#status ??= exitStatus;
    if (this.#child !== undefined || this.#over) return;
    this.#over = true;
    this.#resolve({ exitStatus, exitedAt: new Date() });
  }

  /**
   * Says why it ended, when it was for a fault of the runtime's.
   *
   * @throws {UnknownError} in a shim's words
   */
  async refuseFailure(failed: string): Promise<void> {
    if (!this.#over) return;
    const message = await lastErrorIn(this.#log);
    if (message !== undefined) throw new UnknownError(`${failed}: ${message}`);
  }

  closeStdin(): void {
    closeGuard(this.#inputGuard);
    this.#inputGuard = undefined;
  }

  /** Sets the size of the terminal between the runtime and us, which the runtime hands on. */
  async resize(width: number, height: number): Promise<void> {
    const pid = this.#child?.pid;
    if (!this.#io.terminal || pid === undefined || this.#over) return;
    const [child = ""] = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ");
    const terminal = await readlink(`/proc/${child}/fd/0`);
    await run("stty", ["-F", terminal, "cols", String(width), "rows", String(height)]);
  }

  /** Gives back the streams; what nobody has read by now is lost. */
  close(): void {
    this.closeStdin();
    for (const stream of this.#streams.slice(1)) closeGuard(stream);
    this.#streams = [];
  }

  #closeEnds(): void {
    for (const stream of this.#streams) if (stream !== undefined) closeSync(stream.fd);
  }
}

/** Runtimes take a terminal from who starts them, and this process has none to give. */
function inTerminal(line: readonly string[]): readonly string[] {
  const quoted = line.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return ["script", "--quiet", "--flush", "--return", "--command", `exec ${quoted}`, "/dev/null"];
}
