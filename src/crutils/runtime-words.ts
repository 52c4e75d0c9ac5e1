import { execFile } from "node:child_process";
import type { CallOptions } from "../call-options.js";

const LONGEST_MS = 10_000;

/** What a program said, all of it, and how it ended. */
export interface ProgramWords {
  readonly text: string;
  /** Its exit status; undefined when it did not end by itself. */
  readonly status: number | undefined;
  /** Why it did not run. */
  readonly failure: string | undefined;
}

/** Runs a program and listens, for a while. */
export function wordsOf(
  program: string,
  args: readonly string[],
  { signal, timeoutMs = LONGEST_MS }: CallOptions,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProgramWords> {
  signal?.throwIfAborted();
  const env = { ...process.env, LC_ALL: "C", ...environment };
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, signal, timeout: timeoutMs, killSignal: "SIGKILL" }, (reason, stdout, stderr) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const text = stdout + stderr;
      const code: unknown = reason?.code;
      if (reason === null) return resolve({ text, status: 0, failure: undefined });
      if (typeof code === "number") return resolve({ text, status: code, failure: undefined });
      const failure = reason.killed === true ? `it did not end within ${timeoutMs} ms` : reason.message;
      resolve({ text, status: undefined, failure });
    });
  });
}
