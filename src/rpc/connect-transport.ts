import type { ClientHttp2Stream } from "node:http2";
import type { DescMessage } from "@bufbuild/protobuf";
import type { UniversalClientFn, UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { CallError, Status } from "./call-error.js";
import { decoding } from "./decoding.js";
import { framePrefix, MessageReader } from "./grpc-frames.js";
import { requireWeight } from "./message-weight.js";
import type { Session } from "./session.js";
import type { Transport } from "./transport.js";

/** Speaks gRPC through Connect, whose patience with proxies is worth more over a network than speed is. */
export function connectTransport(session: Session, maxMessageBytes: number): Transport {
  const outputs = new Map<string, DescMessage>();
  const httpClient: UniversalClientFn = async (request) => {
    const response = await sendOn(session, request);
    const output = outputs.get(new URL(request.url).pathname);
    encodeWords(response.header);
    if (output === undefined) return response;
    const body = async function* () {
      yield* weighed(response.body, output, maxMessageBytes);
      encodeWords(response.trailer);
    };
    return { ...response, body: body() };
  };
  const transport = createTransport({
    baseUrl: session.authority,
    httpClient,
    useBinaryFormat: true,
    interceptors: [],
    sendCompression: null,
    acceptCompression: [],
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    binaryOptions: decoding,
  });
  return {
    unary: (method, ...call) => {
      outputs.set(`/${method.parent.typeName}/${method.name}`, method.output);
      return transport.unary(method, ...call);
    },
    stream: (method, ...call) => {
      outputs.set(`/${method.parent.typeName}/${method.name}`, method.output);
      return transport.stream(method, ...call);
    },
    close: () => session.close(),
  };
}

/** A call that is left takes its stream with it: what is held back, with its answer complete but unread, Connect leaves open. */
function sendOn(session: Session, request: UniversalClientRequest): Promise<UniversalClientResponse> {
  let stream: ClientHttp2Stream | undefined;
  const sessionOfOne = {
    authority: session.authority,
    request: async (...args: Parameters<Session["request"]>) => {
      stream = await session.request(...args);
      return stream;
    },
    notifyResponseByteRead: () => session.notifyResponseByteRead(),
  };
  const sent = createNodeHttpClient({ httpVersion: "2", sessionProvider: () => sessionOfOne })(request);
  // After Connect, which says to the peer that the call is cancelled.
  request.signal?.addEventListener("abort", () => stream?.destroy(), { once: true });
  return sent;
}

/** Encodes the peer's words where it has not, which Connect takes for granted. */
function encodeWords(fields: Headers): void {
  const message = fields.get("grpc-message") ?? "";
  try {
    decodeURIComponent(message);
  } catch {
    fields.set("grpc-message", encodeURIComponent(message));
  }
}

/** The same bytes, each message only when it is there and not too heavy to be read. */
async function* weighed(
  body: AsyncIterable<Uint8Array>,
  output: DescMessage,
  maxMessageBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new MessageReader(maxMessageBytes);
  for await (const chunk of body) {
    const messages: Uint8Array[] = [];
    reader.read(chunk, (message) => messages.push(message));
    for (const message of messages) {
      requireWeight(output, message, maxMessageBytes);
      yield framePrefix(message.length);
      yield message;
    }
  }
  if (!reader.isWhole) throw new CallError(Status.internal, "protocol error: incomplete message");
}
