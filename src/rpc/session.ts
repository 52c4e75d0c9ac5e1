import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { Hearing, SessionWatch } from "./session-watch.js";

/**
 * What TLS needs to know; PEM text or bytes.
 *
 * @inline
 */
export interface TlsOptions {
  /** Authorities to trust instead of the system's. */
  readonly ca?: string | Uint8Array | undefined;
  /** This client's certificate, where the server asks for one. */
  readonly cert?: string | Uint8Array | undefined;
  /** The key that goes with `cert`. */
  readonly key?: string | Uint8Array | undefined;
  /** The name to expect in the server's certificate instead of the host's. */
  readonly serverName?: string | undefined;
}

/** Where a session ends, for whoever needs one of their own. */
export interface Reach {
  /** What the URL of a call begins with. */
  readonly authority: string;
  /** The socket's path, for a unix socket. */
  readonly path?: string | undefined;
  /** Certificates, where the connection is encrypted. */
  readonly tls?: TlsOptions | undefined;
}

/** How a session connects and how long it waits. */
export interface SessionOptions {
  readonly path?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly pingIntervalMs?: number | undefined;
  readonly pingTimeoutMs?: number | undefined;
}

// Node's own 64 KiB window makes a stream wait for the daemon after every 64 KiB; what is in a wide one may come in one turn of the loop.
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;
// A longer field breaks Node's session without a word; the peer is told, and ends that stream alone.
const MOST_HEADER_BYTES = 64 * 1024 - 1;
const KEEPALIVE_AFTER_MS = 15_000;

/** A stream of whoever asked for it, who calls `closed` when it is. */
export interface OpenStream {
  readonly stream: http2.ClientHttp2Stream;
  readonly closed: () => void;
}

/**
 * One HTTP/2 connection at a time, made when it is needed and again after it was lost. Fits connect-node's
 * `sessionManager`, and takes its place because that one's ping never settles when the connection closes meanwhile.
 */
export class Session {
  readonly authority: string;
  readonly #options: SessionOptions;
  #opening: Promise<http2.ClientHttp2Session> | undefined;
  #sessions = new Set<http2.ClientHttp2Session>();
  /** The connection, while it can be used at once. */
  #ready: http2.ClientHttp2Session | undefined;
  readonly #hearing = new Hearing();
  #reaching: Promise<void> | undefined;
  #closed = false;

  constructor(authority: string, options: SessionOptions = {}) {
    this.authority = authority;
    this.#options = options;
  }

  /** Opens a stream, which looks after itself. */
  async request(method: string, path: string, headers: http2.OutgoingHttpHeaders): Promise<http2.ClientHttp2Stream> {
    const { stream, closed } = await this.open({ ...headers, ":method": method, ":path": path });
    // Whoever opened it may have gone meanwhile, and nobody else must be told.
    stream.on("error", () => {});
    stream.once("response", () => this.notifyResponseByteRead());
    stream.once("close", closed);
    return stream;
  }

  /** Opens a stream for who tells this session of what comes; at once, where there is a connection. */
  open(headers: http2.OutgoingHttpHeaders): OpenStream | Promise<OpenStream> {
    const opened = this.#ready === undefined ? undefined : this.#openOn(this.#ready, headers);
    return opened ?? this.#openLater(headers);
  }

  async #openLater(headers: http2.OutgoingHttpHeaders): Promise<OpenStream> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.#open();
      const opened = this.#openOn(session, headers);
      if (opened !== undefined) return opened;
      if (attempt >= 3) throw errno("ECONNRESET", "the connection closed again and again before it was used");
    }
  }

  /** `undefined` when the connection closed meanwhile; nothing was sent then. */
  #openOn(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders): OpenStream | undefined {
    const watch = watches.get(session);
    if (watch === undefined || session.closed || session.destroyed) return undefined;
    const stream = session.request(headers);
    if (stream.errored !== null && Reflect.get(stream.errored, "code") === "ERR_HTTP2_OUT_OF_STREAMS") {
      stream.on("error", () => {});
      watch.retire();
      return undefined;
    }
    return { stream, closed: watch.opened(stream) };
  }

  /** Sees that somebody answers at the other end; those who ask meanwhile get the same answer. */
  reach(timeoutMs: number): Promise<void> {
    this.#reaching ??= this.#reach(timeoutMs).finally(() => {
      this.#reaching = undefined;
    });
    return this.#reaching;
  }

  async #reach(timeoutMs: number): Promise<void> {
    const session = await this.#open();
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: Error) => {
        clearTimeout(timer);
        reject(reason);
      };
      const late = () => fail(errno("ETIMEDOUT", `no answer after ${timeoutMs} ms`));
      const timer = setTimeout(late, timeoutMs);
      session.once("close", () => fail(errno("ECONNRESET", "the connection closed before it was usable")));
      session.ping((failed) => {
        if (failed !== null) return fail(failed);
        clearTimeout(timer);
        resolve();
      });
    });
  }

  notifyResponseByteRead(): void {
    this.#hearing.heard();
  }

  /** Ends the connection for good. */
  close(): void {
    this.#closed = true;
    this.#opening = undefined;
    this.#ready = undefined;
    const reason = closedByOwner();
    for (const session of this.#sessions) session.destroy(reason);
  }

  #open(): Promise<http2.ClientHttp2Session> {
    if (this.#closed) return Promise.reject(closedByOwner());
    const opening = this.#opening ?? this.#connect();
    this.#opening = opening;
    return opening;
  }

  #connect(): Promise<http2.ClientHttp2Session> {
    let resolve: (session: http2.ClientHttp2Session) => void = () => {};
    let reject: (reason: Error) => void = () => {};
    const promise = new Promise<http2.ClientHttp2Session>((fulfil, fail) => {
      resolve = fulfil;
      reject = fail;
    });
    const session = http2.connect(this.authority, {
      createConnection: () => this.#socket(),
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false, maxHeaderListSize: MOST_HEADER_BYTES },
      // Buffered data counts here; Node ends streams that go over it.
      maxSessionMemory: 512,
    });
    const forget = () => {
      if (this.#opening === promise) this.#opening = undefined;
      if (this.#ready === session) this.#ready = undefined;
    };
    const { pingIntervalMs = 310_000, pingTimeoutMs = 20_000 } = this.#options;
    const ping = { intervalMs: pingIntervalMs, timeoutMs: pingTimeoutMs };
    const watch = new SessionWatch(session, this.#hearing, ping, forget);
    watches.set(session, watch);
    const timer = setTimeout(() => {
      session.destroy(errno("ETIMEDOUT", `no connection after ${this.#connectTimeoutMs()} ms`));
    }, this.#connectTimeoutMs());
    session.once("connect", () => {
      clearTimeout(timer);
      // It may have been closed while it came to be.
      if (session.destroyed) return;
      session.setLocalWindowSize(CONNECTION_WINDOW);
      session.unref();
      if (this.#opening === promise) this.#ready = session;
      resolve(session);
    });
    session.on("error", (reason) => {
      forget();
      reject(reason);
    });
    session.on("goaway", forget);
    session.once("close", () => {
      clearTimeout(timer);
      watch.end();
      forget();
      this.#sessions.delete(session);
      reject(errno("ECONNRESET", "the connection closed before it was usable"));
    });
    this.#sessions.add(session);
    return promise;
  }

  #connectTimeoutMs(): number {
    return this.#options.connectTimeoutMs ?? 10_000;
  }

  #socket(): net.Socket {
    const { path, tls: secure } = this.#options;
    if (path !== undefined) return net.connect({ path });
    const url = new URL(this.authority);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port || (secure === undefined ? 80 : 443));
    const socket =
      secure === undefined
        ? net.connect({ host, port })
        : tls.connect({
            host,
            port,
            ALPNProtocols: ["h2"],
            ...(net.isIP(host) && secure.serverName === undefined ? {} : { servername: secure.serverName ?? host }),
            ...(secure.ca === undefined ? {} : { ca: pem(secure.ca) }),
            ...(secure.cert === undefined ? {} : { cert: pem(secure.cert) }),
            ...(secure.key === undefined ? {} : { key: pem(secure.key) }),
          });
    socket.setKeepAlive(true, KEEPALIVE_AFTER_MS);
    socket.setNoDelay(true);
    return socket;
  }
}

const watches = new WeakMap<http2.ClientHttp2Session, SessionWatch>();

function pem(value: string | Uint8Array): string | Buffer {
  return typeof value === "string" ? value : Buffer.from(value);
}

function closedByOwner(): Error {
  return errno("ECONNABORTED", "the connection was closed by its owner");
}

function errno(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
