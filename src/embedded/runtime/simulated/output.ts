import { createWriteStream } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { closeGuard, type OpenStream } from "../process-io.js";
import type { ProgramOutput, ProgramWait } from "./program.js";

const PIPE_BYTES = 64 * 1024;
// What a pipe takes whole or not at all: nothing is half sent when the process is frozen.
const ATOMIC_BYTES = 4096;

/** Writes for a simulated process; what has not left yet is part of it when it is frozen, as what is in a pipe is. */
export class Output implements ProgramOutput {
  readonly #open: OpenStream | undefined;
  readonly #stream: Writable | undefined;
  readonly #map: (text: Uint8Array) => Uint8Array;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #writing = false;
  #ended = false;
  #closed = false;
  #settle: (() => void)[] = [];

  /** `unsent` is what had not left yet when the process was frozen; `map` is what a terminal makes of the text. */
  constructor(open: OpenStream | undefined, unsent: Uint8Array, map: (text: Uint8Array) => Uint8Array) {
    this.#open = open;
    this.#map = map;
    if (open !== undefined) {
      this.#stream = open.fifo
        ? new Socket({ fd: open.fd, readable: false, writable: true })
        : createWriteStream("", { fd: open.fd, autoClose: true });
      // Nobody can take it any more: like a shim, we drop it, and the process goes on.
      this.#stream.on("error", () => this.#drop());
    }
    this.#take(unsent);
  }

  write(data: string | Uint8Array): ProgramWait {
    if (!this.#ended) this.#take(this.#map(typeof data === "string" ? Buffer.from(data) : Uint8Array.from(data)));
    return { until: this.#below(PIPE_BYTES) };
  }

  /** What was taken and has not left yet. */
  get unsent(): Uint8Array {
    return Buffer.concat(this.#waiting);
  }

  /** Until everything has left, or can leave no more. */
  flushed(): ProgramWait {
    return { until: this.#below(1) };
  }

  /** Takes no more, and lets readers see the end. What is left unread in a fifo is kept for them until {@link close}. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#drop();
    this.#stream?.destroy();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.end();
    closeGuard(this.#open);
  }

  #take(bytes: Uint8Array): void {
    if (this.#stream === undefined) return;
    for (let at = 0; at < bytes.length; at += ATOMIC_BYTES) this.#waiting.push(bytes.subarray(at, at + ATOMIC_BYTES));
    this.#bytes += bytes.length;
    this.#send();
  }

  #send(): void {
    const [next] = this.#waiting;
    if (next === undefined || this.#writing) return;
    this.#writing = true;
    this.#stream?.write(next, () => {
      this.#writing = false;
      if (this.#waiting[0] !== next) return;
      this.#waiting.shift();
      this.#bytes -= next.length;
      this.#notify();
      this.#send();
    });
  }

  #drop(): void {
    this.#waiting = [];
    this.#bytes = 0;
    this.#notify();
  }

  async #below(bytes: number): Promise<void> {
    while (this.#bytes >= bytes) await new Promise<void>((resolve) => this.#settle.push(resolve));
  }

  #notify(): void {
    for (const settle of this.#settle.splice(0)) settle();
  }
}
