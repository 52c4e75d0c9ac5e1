import { openInput, openOutput, type ProcessIO } from "../process-io.js";
import type { FrozenProcess } from "./dump.js";
import { Input } from "./input.js";
import { Output } from "./output.js";
import type { ProgramInput } from "./program.js";
import { Terminal } from "./terminal.js";

/** The streams of a simulated process. */
export interface Streams {
  readonly stdin: Input;
  readonly stdout: Output;
  /** The same as `stdout` with a terminal. */
  readonly stderr: Output;
  /** What the program reads: what comes in, through the terminal where there is one. */
  readonly read: ProgramInput;
}

const NOTHING = new Uint8Array();

/** Opens what a client named, all or nothing; `signal` is told of keys that are signals. */
export async function openStreams(
  io: ProcessIO,
  frozen: FrozenProcess | undefined,
  signal: (signal: number) => void,
): Promise<Streams> {
  const silent = io.stdout === "" && io.stderr === "";
  const terminal = io.terminal ? new Terminal(signal) : undefined;
  const map = (text: Uint8Array): Uint8Array => terminal?.output(text) ?? text;
  const opened = await Promise.allSettled([
    (async () => openInput(io.stdin))(),
    silent ? undefined : openOutput(io.stdout),
    silent || io.terminal ? undefined : openOutput(io.stderr),
  ]);
  const [input, out, err] = opened.map((one) => (one.status === "fulfilled" ? one.value : undefined));
  const stdin = new Input(input, frozen?.stdin ?? NOTHING);
  const stdout = new Output(out, frozen?.stdout ?? NOTHING, map);
  const stderr = io.terminal ? stdout : new Output(err, frozen?.stderr ?? NOTHING, map);
  const fault = opened.find((one) => one.status === "rejected");
  if (fault === undefined) return { stdin, stdout, stderr, read: terminal?.input(stdin, stdout) ?? stdin };
  for (const stream of [stdin, stdout, stderr]) stream.close();
  throw fault.reason;
}
