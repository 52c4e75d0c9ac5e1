import { tmpdir } from "node:os";
import type { Writable } from "node:stream";
import { FailedPreconditionError, InvalidArgumentError, isFailedPrecondition, isNotFound } from "../errors.js";
import { FIFO_ROOT, type FifoDirectory, type FifoUser, makeFifos, openFifoReader, openFifoWriter } from "./fifo.js";
import type { StreamIOOptions } from "./stream-io.js";
import type { IOContext, OpenIO } from "./task-io.js";
import { InputStream, OutputStream } from "./task-streams.js";

/** Connects streams to a process over named pipes. */
export async function openStreams(options: StreamIOOptions, context: IOContext): Promise<OpenIO> {
  const { containerId, local, terminal } = context;
  if (!local) {
    throw new FailedPreconditionError(
      `Cannot connect streams to container ${containerId}: the daemon is not known to run on this machine`,
      {
        hint: "Streams go through named pipes, which both sides must see. Use fileIO() with a path on the daemon's host, or nullIO().",
      },
    );
  }
  if (terminal && options.stderr !== undefined) {
    throw new InvalidArgumentError(
      `Cannot give container ${containerId} a stderr: with a terminal there is only stdout`,
    );
  }
  const names = [...(options.stdin === undefined ? [] : ["stdin"]), "stdout", ...(terminal ? [] : ["stderr"])];
  const user = { namespace: context.namespace, serverId: await context.serverId() };
  const fifos = await makeFifosIn(options.directory, names, user);
  const streams = new Streams(fifos, containerId);
  try {
    return streams.open(options, terminal);
  } catch (reason) {
    await streams.close();
    throw reason;
  }
}

/** Only root has a share in containerd's own place; an embedded containerd needs none. */
async function makeFifosIn(
  directory: string | undefined,
  names: readonly string[],
  user: FifoUser,
): Promise<FifoDirectory> {
  if (directory !== undefined) return makeFifos(directory, names, user);
  try {
    return await makeFifos(FIFO_ROOT, names, user);
  } catch (reason) {
    if (!isFailedPrecondition(reason)) throw reason;
    return makeFifos(tmpdir(), names, user);
  }
}

class Streams {
  readonly #fifos: FifoDirectory;
  readonly #containerId: string;
  readonly #outputs: OutputStream[] = [];
  #input: InputStream | undefined;
  #closed: Promise<void> | undefined;

  constructor(fifos: FifoDirectory, containerId: string) {
    this.#fifos = fifos;
    this.#containerId = containerId;
  }

  open(options: StreamIOOptions, terminal: boolean): OpenIO {
    const stdout = this.#output("stdout", options.stdout);
    const stderr = terminal ? undefined : this.#output("stderr", options.stderr);
    if (options.stdin !== undefined) {
      const source = options.stdin === "pipe" ? undefined : options.stdin;
      this.#input = new InputStream(openFifoWriter(this.#fifos.path("stdin")), source);
    }
    const input = this.#input;
    return {
      request: {
        stdin: input === undefined ? "" : this.#fifos.path("stdin"),
        stdout: this.#fifos.path("stdout"),
        stderr: terminal ? "" : this.#fifos.path("stderr"),
        terminal,
      },
      ...(input?.handedOut === undefined ? {} : { stdin: input.handedOut }),
      ...(stdout.handedOut === undefined ? {} : { stdout: stdout.handedOut }),
      ...(stderr?.handedOut === undefined ? {} : { stderr: stderr.handedOut }),
      started: (closeStdin, wait) => {
        for (const output of this.#outputs) output.armEnd();
        input?.closeWith(closeStdin);
        void this.#removeAtEnd();
        if (input !== undefined && wait !== undefined) void this.#breakOffAtEnd(input, wait);
      },
      finish: async () => {
        await Promise.all(this.#outputs.map((output) => output.finish()));
        input?.breakOff(this.#containerId);
      },
      close: () => this.close(),
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#input?.stop();
    for (const output of this.#outputs) output.stop();
    await this.#fifos.remove();
    for (const stream of [this.#input, ...this.#outputs]) if (stream?.fault !== undefined) throw stream.fault;
  }

  /** The process may be removed through another object than the one that made it: nobody calls close() then. */
  async #removeAtEnd(): Promise<void> {
    await this.#outputsEnd();
    // Should it fail, close() tries again and says so.
    await this.#fifos.remove().catch(() => {});
  }

  /** A pipe that we could read from ourselves does not break when its reader goes: the daemon knows when it does. */
  async #breakOffAtEnd(input: InputStream, wait: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const hasEnded = (): Promise<boolean> => wait(input.over).then(() => true, isNotFound);
    // A daemon that went away meanwhile may be back by the end of the outputs.
    if ((await hasEnded()) || (await this.#outputsEnd().then(hasEnded))) input.breakOff(this.#containerId);
  }

  async #outputsEnd(): Promise<void> {
    await Promise.all(this.#outputs.map(({ ended }) => ended));
  }

  #output(name: string, sink: Writable | undefined): OutputStream {
    const output = new OutputStream(openFifoReader(this.#fifos.path(name)), sink);
    this.#outputs.push(output);
    return output;
  }
}
