import { once } from "node:events";
import net, { type AddressInfo, type NetConnectOpts, type Socket } from "node:net";
import tls from "node:tls";
import type { Place } from "./fake-daemon.js";

/** Passes bytes between whoever connects and one other place, until told to swallow them. */
export class Relay implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<Socket>();
  /** The connections of those who came. */
  readonly near: Set<Socket> = new Set();
  #swallowing = false;

  private constructor(server: net.Server, to: NetConnectOpts, event: string) {
    this.#server = server;
    server.on("tlsClientError", () => {});
    server.on(event, (near: Socket) => {
      const far = net.connect(to);
      this.near.add(near);
      near.once("close", () => this.near.delete(near));
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.once("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.on("data", (chunk) => {
        if (!this.#swallowing) far.write(chunk);
      });
      far.on("data", (chunk) => {
        if (!this.#swallowing) near.write(chunk);
      });
    });
  }

  static async listen(at: Place, to: NetConnectOpts, secure?: tls.TlsOptions): Promise<Relay> {
    const server = secure === undefined ? net.createServer() : tls.createServer({ ...secure, ALPNProtocols: ["h2"] });
    const relay = new Relay(server, to, secure === undefined ? "connection" : "secureConnection");
    server.listen(at);
    await once(server, "listening");
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on nothing comes through, and nobody is told. */
  swallow(): void {
    this.#swallowing = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
