import { once } from "node:events";
import { chmod, lstat, rm } from "node:fs/promises";
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { AlreadyExistsError, InvalidArgumentError } from "../errors.js";
import { type Route, routeHandlers } from "./router.js";

/** A socket that is listened on. */
export interface Listener {
  /** Ends it; calls that have not ended a second after the services' end are cut. */
  close(): Promise<void>;
}

type Handlers = ReturnType<typeof routeHandlers>;

// As containerd's own limit, and the window of our own client. That of the connection stays as it is: with a larger one a
// session of Node.js stands still when dozens of calls come with 20 KiB each.
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const STREAM_WINDOW = 4 * 1024 * 1024;
/** What a call has to end by itself when the socket closes. */
const GRACE_MS = 1_000;
const MOST_PATH_BYTES = process.platform === "linux" ? 107 : 103;

/**
 * Until the `end`, answers calls that come through a unix socket, which only this user may open.
 *
 * @throws {InvalidArgumentError} when the path is empty or too long for a socket
 * @throws {AlreadyExistsError} when somebody listens there, or it is no socket
 */
export async function listen(path: string, routes: readonly Route[], end: AbortSignal): Promise<Listener> {
  const length = Buffer.byteLength(path);
  if (length === 0 || length > MOST_PATH_BYTES) {
    throw new InvalidArgumentError(
      `Cannot listen on ${JSON.stringify(path)}: expected a path of 1 to ${MOST_PATH_BYTES} bytes, got ${length}`,
    );
  }
  await makeWay(path);
  const handlers = routeHandlers(routes, { end, maxMessageBytes: MAX_MESSAGE_BYTES });
  const sessions = new Set<http2.ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const server = http2.createServer({ settings: { initialWindowSize: STREAM_WINDOW }, maxSessionMemory: 512 });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => session.destroy());
    session.once("close", () => sessions.delete(session));
  });
  server.on("request", (request, response) => answer(handlers, request, response));
  await bind(server, path);
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const timer = setTimeout(() => {
        // A session that is closing would wait for its peer.
        for (const socket of sockets) socket.destroy();
      }, GRACE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function bind(server: http2.Http2Server, path: string): Promise<void> {
  // Between the making of a socket and a change of its mode others could open it.
  const umask = isMainThread ? process.umask(0o177) : undefined;
  try {
    server.listen({ path });
  } finally {
    if (umask !== undefined) process.umask(umask);
  }
  await once(server, "listening");
  await chmod(path, 0o600);
}

/** Removes a socket that nobody listens on. */
async function makeWay(path: string): Promise<void> {
  const stat = await lstat(path).catch((reason: NodeJS.ErrnoException) => {
    if (reason.code === "ENOENT") return undefined;
    throw reason;
  });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new AlreadyExistsError(`Cannot listen on ${path}: it is no socket`);
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw reason;
    await rm(path, { force: true });
    return;
  } finally {
    socket.destroy();
  }
  throw new AlreadyExistsError(`Cannot listen on ${path}: somebody does`);
}

function answer(handlers: Handlers, request: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void {
  const handler = handlers.get(request.url.split("?", 1)[0] ?? "");
  request.on("error", () => {});
  response.on("error", () => {});
  if (handler === undefined) {
    refuse(request, response);
    return;
  }
  // Clients of a unix socket may send any authority, none that makes a URL among them; nobody looks at it.
  Object.defineProperty(request, "authority", { value: "localhost" });
  handler(universalRequestFromNodeRequest(request, response, undefined, undefined))
    .then((answered) => universalResponseToNodeResponse(answered, response))
    // The caller has gone, or broke off: the handler knows by its signal.
    .catch(() => response.stream.close());
}

/** Says in gRPC's words that there is no such call. */
function refuse(request: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void {
  const [, service = ""] = request.url.split("/");
  response.stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": "12",
      "grpc-message": encodeURIComponent(`unknown service ${service}`),
    },
    { endStream: true },
  );
}
