import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

/** What a finished command left. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit status; 128 and more when a signal ended it. */
  readonly code: number;
}

/** How a command is run. */
export interface CommandOptions {
  /** What it reads; nothing when absent. */
  readonly input?: string | Uint8Array;
  /** Its whole environment; this process's when absent. */
  readonly env?: NodeJS.ProcessEnv;
  /** Resolves with the result when the command fails, too. */
  readonly allowFailure?: boolean;
  /** Told each line of its standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** Kills it. */
  readonly signal?: AbortSignal;
}

/** Runs a command to its end. Rejects with what it said when it fails, unless that is allowed. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { env, signal, onLine } = options;
  const child = spawn(command, args, { env, killSignal: "SIGKILL", ...(signal && { signal }) });
  const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  // A command that reads nothing may be gone before its input is written.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input);
  if (onLine !== undefined) createInterface({ input: child.stdout }).on("line", onLine);
  const [stdout, stderr, [status, killed]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  const code = status ?? 128;
  if (code !== 0 && options.allowFailure !== true) {
    const how = killed === null ? `with status ${code}` : `by ${killed}`;
    throw new Error(`${[command, ...args].join(" ")} ended ${how}: ${stderr.trim() || stdout.trim()}`);
  }
  return { stdout, stderr, code };
}
