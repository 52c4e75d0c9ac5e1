import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { CallError, Status } from "./call-error.js";
import { decoding } from "./decoding.js";
import { encode, isSafe } from "./encode.js";
import { GrpcCall } from "./grpc-call.js";
import { requireWeight } from "./message-weight.js";
import type { OpenStream, Session } from "./session.js";
import type { Transport } from "./transport.js";

const CANCEL = 8;
const LONGEST_TIMEOUT_MS = 99_999_999;

/**
 * Speaks gRPC over one HTTP/2 connection of Node's own, and no more than gRPC: no compression, no interceptors, each byte
 * copied once on its way in, and on its way out none of many. Several times as fast as a general client, which is what a socket on
 * the same machine is worth.
 */
export function grpcTransport(session: Session, maxMessageBytes: number): Transport {
  const heard = (): void => session.notifyResponseByteRead();
  const open = async (
    method: DescMethod,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: Headers | Readonly<Record<string, string>> | undefined,
  ): Promise<GrpcCall> => {
    signal?.throwIfAborted();
    const headers: Record<string, string> = {
      ":method": "POST",
      ":path": `/${method.parent.typeName}/${method.name}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
    };
    if (timeoutMs !== undefined) {
      headers["grpc-timeout"] = `${Math.min(Math.max(Math.ceil(timeoutMs), 0), LONGEST_TIMEOUT_MS)}m`;
    }
    setFields(headers, header);
    const opening = session.open(headers);
    if (!(opening instanceof Promise)) {
      const { stream, closed } = opening;
      return new GrpcCall(stream, { signal, timeoutMs, maxMessageBytes, heard, closed });
    }
    const startedAt = performance.now();
    const { stream, closed } = await within(opening, signal, timeoutMs);
    const leftMs = timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - startedAt);
    return new GrpcCall(stream, { signal, timeoutMs: leftMs, maxMessageBytes, heard, closed });
  };
  return {
    unary: async (method, signal, timeoutMs, header, input) => {
      const message = encode(method.input, input);
      const call = await open(method, signal, timeoutMs, header);
      call.finish(message);
      return { message: decode(method.output, await call.only(), maxMessageBytes) };
    },
    stream: async (method, signal, timeoutMs, header, input) => {
      const call = await open(method, signal, timeoutMs, header);
      send(call, method.input, input).catch((reason: unknown) => call.cancel(reason));
      await call.answered();
      return { message: receive(call, method.output, maxMessageBytes) };
    },
    close: () => session.close(),
  };
}

function setFields(headers: Record<string, string>, header: Headers | Readonly<Record<string, string>> = {}): void {
  if (Symbol.iterator in header) for (const [name, value] of header as Headers) headers[name] = value;
  else Object.assign(headers, header);
}

/** Waits for a stream to be opened no longer than the call may take; one that comes later is closed. */
async function within(
  opening: Promise<OpenStream>,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Promise<OpenStream> {
  // Most calls wait for nothing else, and there are many.
  if (signal === undefined && timeoutMs === undefined) return opening;
  let late = false;
  let timer: NodeJS.Timeout | undefined;
  let abort = () => {};
  const ended = new Promise<never>((_, reject) => {
    abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => reject(new CallError(Status.deadline_exceeded, "the operation timed out")), timeoutMs);
    }
  });
  opening.then(
    ({ stream, closed }) => {
      if (!late) return;
      stream.on("error", () => {});
      stream.once("close", closed);
      stream.close(CANCEL);
    },
    () => {
      // Whoever waits for it is told below.
    },
  );
  try {
    return await Promise.race([opening, ended]);
  } catch (reason) {
    late = true;
    throw reason;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function send<I extends DescMessage>(
  call: GrpcCall,
  schema: I,
  input: AsyncIterable<MessageInitShape<I>>,
): Promise<void> {
  let before: Promise<void> | undefined;
  for await (const message of input) {
    const parts = encode(schema, message);
    const gone = call.send(parts);
    // The next one waits behind it, so that the connection never does.
    await (isSafe(parts) ? before : gone);
    before = gone;
  }
  call.finish();
}

/** Leaving the loop ends the call. */
async function* receive<O extends DescMessage>(
  call: GrpcCall,
  schema: O,
  maxMessageBytes: number,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  try {
    for (let message = await call.receive(); message !== undefined; message = await call.receive()) {
      yield decode(schema, message, maxMessageBytes);
    }
  } finally {
    call.cancel();
  }
}

function decode<O extends DescMessage>(schema: O, bytes: Uint8Array, maxMessageBytes: number): MessageShape<O> {
  requireWeight(schema, bytes, maxMessageBytes);
  try {
    return fromBinary(schema, bytes, decoding);
  } catch (reason) {
    throw new CallError(Status.internal, `protocol error: not a ${schema.typeName}`, reason);
  }
}
