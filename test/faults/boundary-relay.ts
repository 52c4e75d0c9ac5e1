import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Boundary, type Frame, FrameCutter } from "./frames.js";

/** Told of each boundary of the watched connection, in order from 1; `"cut"` lets nothing through any more. */
export type OnBoundary = (nth: number, boundary: Boundary) => undefined | "cut" | Promise<undefined | "cut">;

/**
 * Stands between a client and the daemon's socket and knows where calls begin and end. Only the first connection is
 * watched: whoever comes later, such as a guardian, is let through.
 */
export class BoundaryRelay implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #watched = false;
  #count = 0;

  private constructor(address: string, daemon: string, onBoundary: OnBoundary) {
    this.address = address;
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const watch = !this.#watched;
      this.#watched = true;
      const far = connect({ path: daemon, allowHalfOpen: true });
      this.#track(near, far);
      if (!watch) {
        near.pipe(far);
        far.pipe(near);
        return;
      }
      const seen = async (boundary: Boundary) => {
        if (near.destroyed || far.destroyed) return;
        if ((await onBoundary(++this.#count, boundary)) === "cut") near.destroy();
      };
      const known = new Set<number>();
      carry(near, far, new FrameCutter("client"), async ({ opens, ends, stream }, pass) => {
        if (opens && !known.has(stream)) await seen("request");
        known.add(stream);
        pass();
        if (ends) await seen("sent");
      });
      carry(far, near, new FrameCutter("server"), async ({ ends }, pass) => {
        pass();
        if (ends) await seen("reply");
      });
    });
  }

  static async listen(address: string, daemon: string, onBoundary: OnBoundary): Promise<BoundaryRelay> {
    const relay = new BoundaryRelay(address, daemon, onBoundary);
    relay.#server.listen(address);
    await once(relay.#server, "listening");
    return relay;
  }

  /** How many boundaries were seen. */
  get count(): number {
    return this.#count;
  }

  #track(...ends: readonly Socket[]): void {
    for (const socket of ends) {
      this.#sockets.add(socket);
      // A side that goes away is told to the other by its end.
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#sockets.delete(socket);
        for (const other of ends) other.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Carries one direction frame by frame, at the pace of whoever looks at them. */
function carry(
  from: Socket,
  to: Socket,
  cutter: FrameCutter,
  look: (frame: Frame, pass: () => void) => Promise<void>,
): void {
  let turn = Promise.resolve();
  from.on("data", (bytes: Buffer) => {
    for (const frame of cutter.cut(bytes)) {
      turn = turn.then(() => look(frame, () => void (from.destroyed || to.destroyed || to.write(frame.bytes))));
    }
  });
  from.on("end", () => {
    turn = turn.then(() => {
      to.end();
    });
  });
}
