import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";

/** One call as a gRPC server sees it. */
export class FakeCall {
  readonly path: string;
  readonly headers: http2.IncomingHttpHeaders;
  /** Resolves to the code of the reset, 0 when there was none, when the stream is over. */
  readonly closed: Promise<number>;
  readonly stream: http2.ServerHttp2Stream;
  #answered = false;
  #bytes: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #wake: () => void = () => {};
  #halfClosed = false;

  constructor(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) {
    this.stream = stream;
    this.headers = headers;
    this.path = String(headers[":path"]);
    this.closed = new Promise((resolve) => {
      stream.once("close", () => resolve(stream.rstCode ?? 0));
    });
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    const over = () => {
      this.#halfClosed = true;
      this.#wake();
    };
    stream.on("end", over);
    stream.on("close", over);
  }

  /** The next message of the client; `undefined` when it has ended its side. */
  async receive<T extends DescMessage>(schema: T): Promise<MessageShape<T> | undefined> {
    for (;;) {
      if (this.#bytes.length >= 5) {
        const end = 5 + this.#bytes.readUInt32BE(1);
        if (this.#bytes.length >= end) {
          const message = fromBinary(schema, this.#bytes.subarray(5, end));
          this.#bytes = this.#bytes.subarray(end);
          return message;
        }
      }
      if (this.#halfClosed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends the response's head, once. */
  answer(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  }

  send<T extends DescMessage>(schema: T, init: MessageInitShape<T>): void {
    const message = toBinary(schema, create(schema, init));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    this.raw(Buffer.concat([head, message]));
  }

  raw(bytes: Uint8Array): void {
    this.answer();
    this.stream.write(bytes);
  }

  end(status = 0, message = ""): void {
    this.answer();
    this.stream.on("wantTrailers", () => {
      this.stream.sendTrailers({ "grpc-status": String(status), "grpc-message": encodeURIComponent(message) });
    });
    this.stream.end();
  }

  /** Head and status in one, as Go's server sends errors of unary calls. */
  fail(status: number, message: string): void {
    this.refuse({ "grpc-status": String(status), "grpc-message": encodeURIComponent(message) });
  }

  /** A head and nothing else. */
  refuse(head: http2.OutgoingHttpHeaders): void {
    this.stream.respond({ ":status": 200, "content-type": "application/grpc", ...head }, { endStream: true });
  }
}

/** Where a fake daemon listens. */
export type Place = { readonly path: string } | { readonly port: number; readonly host: string };

/** A gRPC server without containerd behind it, for what a real daemon cannot be made to do. */
export class FakeDaemon implements AsyncDisposable {
  readonly calls: FakeCall[] = [];
  /** Connections ever made. */
  connections = 0;
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  readonly #arrivals: ((call: FakeCall) => void)[] = [];

  private constructor(server: http2.Http2Server, handler: (call: FakeCall) => unknown) {
    this.#server = server;
    const keep = (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
    };
    server.on("connection", keep);
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("error", () => {});
      session.once("close", () => this.#sessions.delete(session));
    });
    server.on("sessionError", () => {});
    server.on("stream", (stream, headers) => {
      const call = new FakeCall(stream, headers);
      this.calls.push(call);
      this.#arrivals.shift()?.(call);
      void handler(call);
    });
  }

  static async listen(
    place: Place,
    handler: (call: FakeCall) => unknown,
    options: http2.SecureServerOptions = {},
  ): Promise<FakeDaemon> {
    const server = options.cert === undefined ? http2.createServer(options) : http2.createSecureServer(options);
    const daemon = new FakeDaemon(server, handler);
    server.listen(place);
    await once(server, "listening");
    return daemon;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next call that comes in. */
  arrival(): Promise<FakeCall> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  /** Tells all clients to go away once their calls are done. */
  goaway(): void {
    for (const session of this.#sessions) session.goaway();
  }

  /** Dies as a killed process does: without a word. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.kill();
  }
}
