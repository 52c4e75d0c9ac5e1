import type { Socket } from "node:net";
import { finished, PassThrough, type Readable, type Writable } from "node:stream";
import { FailedPreconditionError, isNotFound } from "../errors.js";
import type { FifoReader } from "./fifo.js";
import { onRoom } from "./sink-room.js";

// The process is gone: only what is on its way in the pipes can still come, unless a child it left behind goes on writing.
const QUIET_MS = 2_000;
const LONGEST_FINISH_MS = 10_000;
// A pipe holds 64 KiB, and 1 MiB where its process asks for that.
const PIPES_BYTES = 4 * 1024 * 1024;

/** Carries what a process writes into a stream. */
export class OutputStream {
  /** The stream to read from, where the caller gave none to write to. */
  readonly handedOut: Readable | undefined;
  readonly #fifo: FifoReader;
  readonly #sink: Writable;
  /** Resolves when the last writer is gone, or the pipe was closed. */
  readonly ended: Promise<void>;
  #finishing = false;
  /** How much more is taken from the pipes whether the sink has room or not. */
  #excess = 0;
  #fault: Error | undefined;
  #lastDataAt = 0;

  constructor(fifo: FifoReader, sink: Writable | undefined) {
    const own = sink === undefined ? new PassThrough() : undefined;
    this.#fifo = fifo;
    this.#sink = sink ?? (own as PassThrough);
    this.handedOut = own;
    const offRoom = onRoom(this.#sink, () => fifo.socket.resume());
    this.ended = new Promise((resolve) => {
      fifo.socket.on("error", (reason) => {
        this.#fault = reason;
      });
      fifo.socket.on("close", () => {
        offRoom();
        if (this.#fault === undefined) own?.end();
        else own?.destroy(this.#fault);
        resolve();
      });
    });
    fifo.socket.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** Why reading failed, where no stream was handed out that said so. */
  get fault(): Error | undefined {
    return this.handedOut === undefined ? this.#fault : undefined;
  }

  /** To be called when the process has its own ends of the pipe: from now on they decide when the stream ends. */
  armEnd(): void {
    this.#fifo.armEnd();
  }

  /** Reads what is left in the pipes, however slow the reader. Who writes on is held back again once it must be more than that. */
  async finish(): Promise<void> {
    if (!this.#finishing) this.#excess = PIPES_BYTES;
    this.#finishing = true;
    this.armEnd();
    this.#fifo.socket.resume();
    const startedAt = performance.now();
    this.#lastDataAt = startedAt;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<void>((resolve) => {
      timer = setInterval(() => {
        const now = performance.now();
        if (now - this.#lastDataAt > QUIET_MS || now - startedAt > LONGEST_FINISH_MS) resolve();
      }, QUIET_MS / 10);
    });
    await Promise.race([this.ended, silence]);
    clearInterval(timer);
  }

  /** Closes the pipe; what is unread is lost. */
  stop(): void {
    this.armEnd();
    this.#fifo.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#lastDataAt = performance.now();
    // A process must not stop because somebody no longer listens: what nobody takes is dropped.
    if (this.#sink.destroyed || this.#sink.writableEnded) return;
    const hasRoom = this.#sink.write(chunk);
    this.#excess = Math.max(this.#excess - chunk.length, 0);
    if (!hasRoom && this.#excess === 0) this.#fifo.socket.pause();
  }
}

/** Carries a stream to a process that reads it. */
export class InputStream {
  /** The stream to write to, where the caller gave none to read from. */
  readonly handedOut: Writable | undefined;
  readonly #source: Readable;
  readonly #socket: Socket;
  readonly #started: Promise<() => Promise<void>>;
  #start: (closeStdin: () => Promise<void>) => void = () => {};
  readonly #over = new AbortController();
  #fault: Error | undefined;

  constructor(socket: Socket, source: Readable | undefined) {
    const own = source === undefined ? new PassThrough() : undefined;
    // Most processes need not read all of their input: who does not listen has nothing to do about it, and must not die of it.
    own?.on("error", () => {});
    this.handedOut = own;
    this.#source = source ?? (own as PassThrough);
    this.#socket = socket;
    this.#started = new Promise((resolve) => {
      this.#start = resolve;
    });
    socket.on("error", (reason) => {
      this.#fault = reason;
    });
    this.#source.pipe(socket, { end: false });
    // A source that fails is its owner's to hear of; for the process it is over like one that ended.
    finished(this.#source, { writable: false }, () => void this.#end());
  }

  /** Aborted when no more is carried. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** What kept the process from getting all of its input, or from hearing of its end. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** To be called when the process was started. */
  closeWith(closeStdin: () => Promise<void>): void {
    this.#start(closeStdin);
  }

  /** Lets go of the source, which stays as it is, and of the pipe. */
  stop(reason?: Error): void {
    if (this.over.aborted) return;
    this.#over.abort();
    this.#source.unpipe(this.#socket);
    this.#socket.destroy();
    this.handedOut?.destroy(reason);
  }

  /** To be called when the process has ended: who waits for it to take what is left hears that it will not. */
  breakOff(containerId: string): void {
    const { readableLength } = this.#source;
    const unread = readableLength + (this.handedOut?.writableLength ?? 0) + this.#socket.writableLength;
    const message = `Cannot write to a process in container ${containerId}: it ended with ${unread} bytes unread`;
    this.stop(unread === 0 ? undefined : new FailedPreconditionError(message));
  }

  async #end(): Promise<void> {
    if (this.over.aborted) return;
    await new Promise<void>((resolve) => this.#socket.write("", () => resolve()));
    const closeStdin = await this.#started;
    try {
      if (!this.over.aborted) await closeStdin();
    } catch (reason) {
      // Without a process there is nothing to end.
      if (!this.over.aborted && !isNotFound(reason)) {
        this.#fault = reason instanceof Error ? reason : new Error(String(reason));
      }
    }
    this.stop();
  }
}
