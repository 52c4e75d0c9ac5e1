import { closeSync, createReadStream } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { closeGuard, type OpenStream } from "../process-io.js";
import type { ProgramInput, ProgramWait } from "./program.js";

/** Reads for a simulated process, no more than it asks for. */
export class Input implements ProgramInput {
  readonly #open: OpenStream | undefined;
  readonly #stream: Readable | undefined;
  #guarded: boolean;
  #ended: boolean;
  #chunks: Uint8Array[] = [];
  #wake: () => void = () => {};

  /** `unread` is what came before the process was frozen, and it had not read. */
  constructor(open: OpenStream | undefined, unread: Uint8Array) {
    this.#open = open;
    this.#guarded = open?.guard !== undefined;
    this.#ended = open === undefined;
    if (unread.length > 0) this.#chunks.push(unread);
    if (open === undefined) return;
    this.#stream = open.fifo
      ? new Socket({ fd: open.fd, readable: true, writable: false })
      : createReadStream("", { fd: open.fd, autoClose: true });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#stream.pause();
    this.#stream.on("data", (chunk: Buffer) => {
      this.#stream?.pause();
      this.#chunks.push(chunk);
      this.#wake();
    });
    // Input that cannot be read any more is over.
    for (const event of ["end", "error", "close"]) this.#stream.on(event, end);
  }

  ready(): ProgramWait {
    if (this.#chunks.length > 0 || this.#ended) return { until: Promise.resolve() };
    const until = new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#stream?.resume();
    });
    return { until };
  }

  read(): Uint8Array | undefined {
    const bytes = Buffer.concat(this.#chunks);
    if (bytes.length === 0 && this.#ended) return undefined;
    this.#chunks = [];
    return bytes;
  }

  /** What came and was not read. */
  get unread(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  /** The input is over as soon as nobody else has it open. */
  closeGuard(): void {
    if (!this.#guarded) return;
    this.#guarded = false;
    closeGuard(this.#open);
  }

  close(): void {
    this.closeGuard();
    this.#ended = true;
    this.#wake();
    if (this.#stream !== undefined) this.#stream.destroy();
    else if (this.#open !== undefined) closeSync(this.#open.fd);
  }
}
