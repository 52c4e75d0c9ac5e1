import { once } from "node:events";
import net from "node:net";

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const HEADERS = 1;

/** Passes everything on to a daemon's socket, and counts the calls in it: each is one HTTP/2 frame of headers from the caller. */
export class CallCounter implements AsyncDisposable {
  calls = 0;
  /** What the daemon answered. */
  bytes = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(daemon: string) {
    this.#server = net.createServer((near) => {
      const far = net.connect(daemon);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        // Whoever ends is allowed to; the close takes the other one along.
        socket.on("error", () => {});
        socket.once("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      const look = frames((type) => {
        if (type === HEADERS) this.calls += 1;
      });
      near.on("data", look);
      far.on("data", (chunk: Uint8Array) => {
        this.bytes += chunk.length;
      });
      near.pipe(far);
      far.pipe(near);
    });
  }

  /** Listens at the path. */
  static async listen(path: string, daemon: string): Promise<CallCounter> {
    const counter = new CallCounter(daemon);
    counter.#server.listen(path);
    await once(counter.#server, "listening");
    return counter;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Tells the type of each frame in what one side of a connection sends. */
export function frames(tell: (type: number) => void): (chunk: Uint8Array) => void {
  let skip = PREFACE_BYTES;
  let head: Buffer = Buffer.alloc(0);
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      const skipped = Math.min(skip, chunk.length - at);
      skip -= skipped;
      at += skipped;
      if (skip > 0) return;
      const taken = chunk.subarray(at, at + HEAD_BYTES - head.length);
      head = Buffer.concat([head, taken]);
      at += taken.length;
      if (head.length < HEAD_BYTES) return;
      skip = head.readUIntBE(0, 3);
      tell(head.readUInt8(3));
      head = Buffer.alloc(0);
    }
  };
}
