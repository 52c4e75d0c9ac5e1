import { createGrpcTransport } from "@connectrpc/connect-node";
import { decoding } from "./decoding.js";
import type { Session } from "./session.js";
import type { Transport } from "./transport.js";

/** Speaks gRPC through Connect, whose patience with proxies is worth more over a network than speed is. */
export function connectTransport(session: Session, maxMessageBytes: number): Transport {
  return createGrpcTransport({
    baseUrl: session.authority,
    sessionManager: session,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    acceptCompression: [],
    binaryOptions: decoding,
  });
}
