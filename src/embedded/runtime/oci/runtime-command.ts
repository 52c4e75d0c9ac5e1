import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { UnknownError } from "../../../errors.js";

const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;

/** A program that runs containers as the OCI runtime spec says, such as `runc`, and what it is told every time. */
export class RuntimeCommand {
  readonly #program: string;
  readonly #flags: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  constructor(program: string, flags: readonly string[], env: NodeJS.ProcessEnv) {
    this.#program = program;
    this.#flags = [...flags, "--log-format", "json"];
    this.#env = env;
  }

  /**
   * Runs it to its end, and resolves to what it printed.
   *
   * @throws {UnknownError} when it fails, with its last error after `failed`
   */
  run(failed: string, args: readonly string[]): Promise<string> {
    const options = { env: this.#env, maxBuffer: MOST_OUTPUT_BYTES };
    return new Promise((resolve, reject) => {
      execFile(this.#program, [...this.#flags, ...args], options, (cause, stdout, stderr) => {
        if (cause === null) resolve(stdout);
        else reject(new UnknownError(`${failed}: ${lastError(stderr) ?? cause.message.trim()}`, { cause }));
      });
    });
  }

  /** The command line of one that stays with the process it runs, and writes its own errors to a file. */
  foreground(log: string, args: readonly string[]): readonly string[] {
    return [this.#program, ...this.#flags, "--log", log, ...args];
  }

  /** Starts a command line with these streams. */
  spawn(line: readonly string[], stdio: readonly (number | "pipe" | "ignore")[]): ChildProcess {
    const [program = "", ...rest] = line;
    // In a session of its own: what is typed at our terminal is not for the container.
    return spawn(program, rest, { env: this.#env, stdio: [...stdio], detached: true });
  }
}

/** The last error a runtime wrote to its log; `undefined` when there was none. */
export async function lastErrorIn(log: string): Promise<string | undefined> {
  return lastError(await readFile(log, "utf8").catch(() => ""));
}

function lastError(text: string): string | undefined {
  return text
    .trim()
    .split("\n")
    .map(errorOf)
    .findLast((message) => message !== undefined);
}

function errorOf(line: string): string | undefined {
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return (level === "error" || level === "fatal") && typeof msg === "string" ? msg : undefined;
  } catch {
    // Not all that is written there is of the log.
    return undefined;
  }
}
