import type {
  DescMessage,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { InvalidArgumentError } from "../errors.js";
import { grpcTransport } from "./grpc-transport.js";
import { type Reach, Session, type TlsOptions } from "./session.js";

/**
 * What comes back for one message.
 *
 * @inline
 */
export interface UnaryReply<O extends DescMessage> {
  /** The message. */
  readonly message: MessageShape<O>;
}

/**
 * What comes back on a stream.
 *
 * @inline
 */
export interface StreamReply<O extends DescMessage> {
  /** The messages as they come; a failure of the call ends them. */
  readonly message: AsyncIterable<MessageShape<O>>;
}

/**
 * How calls travel. Any Connect `Transport` fits: over a socket, through a proxy, or a router in this process.
 *
 * @see https://github.com/connectrpc/connect-es/blob/v2.1.2/packages/connect/src/transport.ts
 */
export interface Transport {
  /** Sends one message and waits for one. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: Headers | Readonly<Record<string, string>> | undefined,
    input: MessageInitShape<I>,
  ): Promise<UnaryReply<O>>;
  /** Sends and receives any number of messages. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: Headers | Readonly<Record<string, string>> | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamReply<O>>;
  /** Closes the connection for good, when the transport holds one. */
  close?(): void;
  /** Whether it ends at a daemon on this machine, whose files this process sees under the same paths. Default: false. */
  readonly local?: boolean;
}

/**
 * Limits and patience of a transport made here.
 *
 * @inline
 */
export interface TransportOptions {
  /**
   * The largest message accepted or sent, in bytes; checked before memory is set aside. In memory one may take twice that, which is
   * checked before it is read. Default: 16 MiB, as containerd's own.
   */
  readonly maxMessageBytes?: number | undefined;
  /** Milliseconds until an attempt to connect is given up. Default: 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Milliseconds of silence during a call after which the peer is asked whether it lives. Default: 310 000, because
   * containerd's server hangs up on clients that ask more often than every five minutes.
   */
  readonly pingIntervalMs?: number | undefined;
  /** Milliseconds the peer has for its answer. Default: 20 000. */
  readonly pingTimeoutMs?: number | undefined;
}

const reaches = new WeakMap<Transport, Reach>();

/** Where a transport ends; `undefined` when it was not made here. */
export function reachOf(transport: Transport): Reach | undefined {
  return reaches.get(transport);
}

const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * Reaches containerd through its unix socket. Connects at the first call, and again after the daemon came back.
 *
 * @example
 * ```ts
 * const client = new Client({ transport: unixTransport("/run/containerd/containerd.sock"), namespace: "default" });
 * ```
 * @throws {InvalidArgumentError} when the path is empty
 */
export function unixTransport(path: string, options: TransportOptions = {}): Transport {
  if (path === "") throw new InvalidArgumentError("Cannot make a transport: the socket path is empty");
  const authority = "http://localhost";
  const session = new Session(authority, { ...options, path });
  const transport = { ...grpcTransport(session, options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES), local: true };
  reaches.set(transport, { authority, path });
  return transport;
}

/** Reaches a proxy in front of containerd's socket over TCP; `authority` is `host:port`. With `tls` the connection is encrypted. */
export function tcpTransport(
  authority: string,
  options: TransportOptions & { readonly tls?: TlsOptions | undefined } = {},
): Transport {
  const scheme = options.tls === undefined ? "http" : "https";
  const url = URL.canParse(`${scheme}://${authority}`) ? new URL(`${scheme}://${authority}`) : undefined;
  if (url === undefined || url.hostname === "" || url.pathname !== "/" || url.username !== "") {
    throw new InvalidArgumentError(`Cannot make a transport for ${JSON.stringify(authority)}: expected host:port`);
  }
  const transport = lazily(new Session(url.origin, options), options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES);
  reaches.set(transport, { authority: url.origin, tls: options.tls });
  return transport;
}

/** Loads what it takes when the first call is made: most processes only ever use a socket, and should not pay for it. */
function lazily(session: Session, maxMessageBytes: number): Transport {
  let loading: Promise<Transport> | undefined;
  const inner = (): Promise<Transport> => {
    loading ??= import("./connect-transport.js").then(({ connectTransport }) =>
      connectTransport(session, maxMessageBytes),
    );
    return loading;
  };
  return {
    unary: async (...call) => (await inner()).unary(...call),
    stream: async (...call) => (await inner()).stream(...call),
    close: () => session.close(),
  };
}
