import type { Readable, Writable } from "node:stream";
import { once } from "./once.js";
import type { TaskIO } from "./task-io.js";

const pipes = once(() => import("./fifo-streams.js"));

/**
 * Streams of the caller's; each is left open when the process ends.
 *
 * @inline
 */
export interface StreamIOOptions {
  /** What the process reads; `"pipe"` hands out a stream to write to. Without it the process has no input. */
  readonly stdin?: Readable | "pipe" | undefined;
  /** Takes what the process writes. Without it a stream to read from is handed out. */
  readonly stdout?: Writable | undefined;
  /** Takes what the process writes to standard error, as `stdout`. With a terminal there is none. */
  readonly stderr?: Writable | undefined;
  /** Where the named pipes are made, each process's in a directory of its own; this process and the daemon must both see it. `/run/containerd/fifo` when absent, and where this user may not write there, the directory for temporary files. */
  readonly directory?: string | undefined;
}

/**
 * Node streams, over named pipes: the daemon must run on this machine. Streams that are not given are handed out, as
 * `task.io.stdout` and so on.
 *
 * @example
 * ```ts
 * const task = await container.newTask({ io: streamIO({ stdout: process.stdout, stderr: process.stderr }) });
 * ```
 * @example
 * ```ts
 * const task = await container.newTask({ io: streamIO({ stdin: "pipe" }) });
 * await task.start();
 * task.io.stdin?.end("hello\n");
 * for await (const chunk of task.io.stdout ?? []) process.stdout.write(chunk);
 * ```
 */
export function streamIO(options: StreamIOOptions = {}): TaskIO {
  return { open: async (context) => (await pipes()).openStreams(options, context) };
}
