import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What happens to the connection when its time has come. */
export type Cut = "close" | "reset" | "half-close" | "stall" | "throttle";

/** Where and how a connection is cut: after so many bytes of one direction. */
export interface CutAt {
  readonly direction: "up" | "down";
  readonly byte: number;
  readonly how: Cut;
  /** Whether the connections after the one that was cut are let alone. Default: they are cut at once. */
  readonly once?: boolean;
}

const THROTTLED_BYTES = 512;
const THROTTLED_MS = 2;

/**
 * Stands between a client and the daemon's socket, counts bytes, and cuts each connection where it is told to. It can be
 * reached by a socket and, because sockets know no reset, by TCP.
 */
export class CuttingRelay implements AsyncDisposable {
  readonly address: string;
  /** Bytes that went through since the last {@link CuttingRelay.cutAt}. */
  readonly passed = { up: 0, down: 0 };
  readonly #onSocket: Server;
  readonly #onPort: Server;
  readonly #sockets = new Set<Socket>();
  #cut: CutAt | undefined;

  private constructor(address: string, daemon: string) {
    this.address = address;
    const accept = (near: Socket): void => {
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
    };
    this.#onSocket = createServer({ allowHalfOpen: true }, accept);
    this.#onPort = createServer({ allowHalfOpen: true }, accept);
  }

  static async listen(address: string, daemon: string): Promise<CuttingRelay> {
    const relay = new CuttingRelay(address, daemon);
    relay.#onSocket.listen(address);
    relay.#onPort.listen(0, "127.0.0.1");
    await Promise.all([relay.#onSocket, relay.#onPort].map((server) => once(server, "listening")));
    return relay;
  }

  /** Where it can be reached by TCP. */
  get authority(): string {
    return `127.0.0.1:${(this.#onPort.address() as AddressInfo).port}`;
  }

  /** Cuts what comes from now on; nothing when `undefined`. */
  cutAt(cut: CutAt | undefined): void {
    this.#cut = cut;
    this.passed.up = 0;
    this.passed.down = 0;
  }

  #carry(direction: "up" | "down", from: Socket, to: Socket, near: Socket): void {
    let over = false;
    let slow: Promise<void> | undefined;
    from.on("data", (bytes: Buffer) => {
      if (over) return;
      const before = this.passed[direction];
      this.passed[direction] += bytes.length;
      const cut = this.#cut;
      if (slow !== undefined) {
        slow = slow.then(() => trickle(bytes, to));
        return;
      }
      if (cut?.direction !== direction || before + bytes.length <= cut.byte) {
        to.write(bytes);
        return;
      }
      if (cut.once === true) this.#cut = undefined;
      const passing = Math.max(0, cut.byte - before);
      if (cut.how === "throttle") {
        to.write(bytes.subarray(0, passing));
        slow = trickle(bytes.subarray(passing), to);
        return;
      }
      over = true;
      to.write(bytes.subarray(0, passing), () => {
        if (cut.how === "half-close") to.end();
        // An earlier connection may still be on its way out, on the socket that knows no reset.
        else if (cut.how === "reset" && near.remoteAddress !== undefined) near.resetAndDestroy();
        else if (cut.how !== "stall") near.destroy();
      });
    });
    from.on("end", () => to.end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [this.#onSocket, this.#onPort];
    const closed = Promise.all(servers.map((server) => once(server, "close")));
    for (const server of servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

async function trickle(bytes: Buffer, to: Socket): Promise<void> {
  for (let at = 0; at < bytes.length && !to.destroyed; at += THROTTLED_BYTES) {
    to.write(bytes.subarray(at, at + THROTTLED_BYTES));
    await sleep(THROTTLED_MS);
  }
}
