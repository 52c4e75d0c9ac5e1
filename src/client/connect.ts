import type { TlsOptions } from "../rpc/session.js";
import { type Transport, tcpTransport, unixTransport } from "../rpc/transport.js";
import { type Address, parseAddress } from "./address.js";
import { Client } from "./client.js";
import { explainFailure } from "./connect-failure.js";

/** Which daemon to connect to, and how. */
export interface ConnectOptions {
  /**
   * Where it listens: a path, `unix:///path`, `tcp://host:port`, `http://host:port` or `https://host:port`. Default:
   * `/run/containerd/containerd.sock`.
   */
  readonly address?: string | undefined;
  /** The namespace to work in. Default: `default`. */
  readonly namespace?: string | undefined;
  /** How calls travel, instead of an address. */
  readonly transport?: Transport | undefined;
  /** Milliseconds until the daemon must have answered. Default: 10 000. */
  readonly timeoutMs?: number | undefined;
  /** Certificates for `https://`; with `tcp://` they ask for TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Resume first what checkpoints had paused whose process is gone, as {@link Client.recover} does; what that cannot do, it tells when called again. Default: false. */
  readonly recover?: boolean | undefined;
  /** Whether a guardian stands by while a task is paused; see {@link Client}. Default: true. */
  readonly guardian?: boolean | undefined;
  /** Whether large blobs are read from the daemon's own files where these are this process's to read; see {@link Client}. Default: true. */
  readonly localContent?: boolean | undefined;
  /** How many checkpoints and restores run at once; further ones wait for their turn. Default: 16. */
  readonly maxConcurrent?: number | undefined;
}

const DEFAULT_ADDRESS = "/run/containerd/containerd.sock";
const DEFAULT_NAMESPACE = "default";
const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Connects to a daemon and asks its version, so that a wrong address fails here and not later.
 *
 * @example
 * ```ts
 * await using client = await connect({ namespace: "k8s.io" });
 * ```
 * @throws {UnavailableError} when nobody listens there, or not in time
 * @throws {PermissionDeniedError} when this process may not use the socket
 * @throws {UnauthenticatedError} when the other side wants another certificate
 * @throws {FailedPreconditionError} when what listens there is not containerd, or cannot be trusted
 * @throws {InvalidArgumentError} when the address is malformed
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, namespace = DEFAULT_NAMESPACE, tls } = options;
  const address = options.transport === undefined ? parseAddress(options.address ?? DEFAULT_ADDRESS) : undefined;
  const transport = options.transport ?? transportTo(address as Address, timeoutMs, tls);
  const { guardian, localContent, maxConcurrent } = options;
  const client = new Client({ transport, namespace, guardian, localContent, maxConcurrent });
  try {
    await client.version({ timeoutMs });
    if (options.recover === true) await client.recover();
    return client;
  } catch (reason) {
    await client.close();
    throw address === undefined ? reason : await explainFailure(reason, address, timeoutMs);
  }
}

/**
 * Takes address and namespace from the environment, by the names `ctr` uses. Nothing else in the library reads it.
 *
 * @example
 * ```ts
 * const client = await connect(fromEnv());
 * ```
 */
export function fromEnv(env: NodeJS.ProcessEnv = process.env): ConnectOptions {
  const { CONTAINERD_ADDRESS: address, CONTAINERD_NAMESPACE: namespace } = env;
  return {
    ...(address === undefined || address === "" ? {} : { address }),
    ...(namespace === undefined || namespace === "" ? {} : { namespace }),
  };
}

function transportTo(address: Address, connectTimeoutMs: number, tls: TlsOptions | undefined): Transport {
  if (address.kind === "unix") return unixTransport(address.path, { connectTimeoutMs });
  const secure = address.secure || tls !== undefined;
  return tcpTransport(address.authority, { connectTimeoutMs, ...(secure ? { tls: tls ?? {} } : {}) });
}
