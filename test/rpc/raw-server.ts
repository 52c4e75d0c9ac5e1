import { once } from "node:events";
import net, { type Socket } from "node:net";
import type { Place } from "./fake-daemon.js";

/** Takes connections and knows no protocol. */
export class RawServer implements AsyncDisposable {
  /** Resolves when somebody has connected. */
  readonly arrival: Promise<unknown>;
  readonly #server: net.Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: net.Server, greet: (socket: Socket) => void) {
    this.#server = server;
    this.arrival = once(server, "connection");
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
      greet(socket);
    });
  }

  static async listen(place: Place, greet: (socket: Socket) => void): Promise<RawServer> {
    const server = new RawServer(net.createServer(), greet);
    server.#server.listen(place);
    await once(server.#server, "listening");
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
