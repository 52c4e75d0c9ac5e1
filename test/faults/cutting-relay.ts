import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to the connection when its time has come. */
export type Cut = "close" | "reset" | "half-close" | "stall";

/** Where and how a connection is cut: after so many bytes of one direction. */
export interface CutAt {
  readonly direction: "up" | "down";
  readonly byte: number;
  readonly how: Cut;
}

/** Stands between a client and the daemon's socket, counts bytes, and cuts each connection where it is told to. */
export class CuttingRelay implements AsyncDisposable {
  readonly address: string;
  /** Bytes that went through since the last {@link CuttingRelay.cutAt}. */
  readonly passed = { up: 0, down: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: CutAt | undefined;

  private constructor(address: string, daemon: string) {
    this.address = address;
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ path: daemon, allowHalfOpen: true });
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        // A cut shows at both ends.
        socket.on("error", () => {});
        socket.once("close", () => this.#sockets.delete(socket));
      }
      near.once("close", () => far.destroy());
      far.once("close", () => near.destroy());
      this.#carry("up", near, far, near);
      this.#carry("down", far, near, near);
    });
  }

  static async listen(address: string, daemon: string): Promise<CuttingRelay> {
    const relay = new CuttingRelay(address, daemon);
    relay.#server.listen(address);
    await once(relay.#server, "listening");
    return relay;
  }

  /** Cuts what comes from now on; nothing when `undefined`. */
  cutAt(cut: CutAt | undefined): void {
    this.#cut = cut;
    this.passed.up = 0;
    this.passed.down = 0;
  }

  #carry(direction: "up" | "down", from: Socket, to: Socket, near: Socket): void {
    let stalled = false;
    from.on("data", (bytes: Buffer) => {
      if (stalled) return;
      const before = this.passed[direction];
      this.passed[direction] += bytes.length;
      const cut = this.#cut;
      if (cut?.direction !== direction || before + bytes.length <= cut.byte) {
        to.write(bytes);
        return;
      }
      stalled = true;
      const last = bytes.subarray(0, Math.max(0, cut.byte - before));
      const then = (): void => {
        if (cut.how === "close") near.destroy();
        else if (cut.how === "reset") near.resetAndDestroy();
        else if (cut.how === "half-close") to.end();
      };
      if (last.length > 0) to.write(last, then);
      else then();
    });
    from.on("end", () => to.end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
