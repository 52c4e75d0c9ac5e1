import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { CallError, callErrorFrom, Status } from "./call-error.js";
import { framed, MessageReader } from "./grpc-frames.js";

const NO_ERROR = 0;
const CANCEL = 8;
const NOTHING = new Uint8Array();
/** What is read ahead of whoever takes the messages, before the peer is held back. */
const MOST_WAITING_BYTES = 2 * 1024 * 1024;

// See https://github.com/grpc/grpc/blob/v1.75.0/doc/PROTOCOL-HTTP2.md#errors
const resetStatus: { readonly [rst: number]: number } = {
  7: Status.unavailable,
  8: Status.canceled,
  11: Status.resource_exhausted,
  12: Status.permission_denied,
};

/** What a call may be told when it is opened. */
export interface GrpcCallOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly maxMessageBytes: number;
  /** Told whenever bytes came. */
  readonly heard: () => void;
  /** Told when the stream is closed. */
  readonly closed: () => void;
}

/** One gRPC call on an HTTP/2 stream: messages out, messages in, and how it ended. */
export class GrpcCall {
  readonly #stream: ClientHttp2Stream;
  readonly #options: GrpcCallOptions;
  readonly #reader: MessageReader;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #status: { readonly code: number; readonly message: string } | undefined;
  #over: { readonly well: boolean; readonly reason: unknown } | undefined;
  #broken: Error | undefined;
  #hasHead = false;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #abort = () => this.#end(this.#options.signal?.reason);

  constructor(stream: ClientHttp2Stream, options: GrpcCallOptions) {
    const { signal, timeoutMs, maxMessageBytes, heard, closed } = options;
    this.#stream = stream;
    this.#options = options;
    this.#reader = new MessageReader(maxMessageBytes);
    stream.on("response", (headers) => this.#head(headers));
    stream.on("trailers", (trailers) => this.#trailers(trailers));
    stream.on("data", (chunk: Buffer) => {
      heard();
      this.#take(chunk);
    });
    stream.on("end", () => this.#ended());
    stream.on("error", (reason) => {
      this.#broken ??= reason;
    });
    stream.on("close", () => {
      closed();
      this.#closed();
    });
    signal?.addEventListener("abort", this.#abort, { once: true });
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#end(new CallError(Status.deadline_exceeded, "the operation timed out"));
      }, timeoutMs);
    }
  }

  /**
   * Sends one message, in parts; resolves when the connection has taken it, and they may be written to, or never will.
   *
   * @throws {CallError} at once when it is too large
   */
  send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#over !== undefined) return Promise.resolve();
    let resolve = (): void => {};
    const gone = new Promise<void>((done) => {
      resolve = done;
    });
    this.#write(parts, resolve);
    return gone;
  }

  /** Says that nothing more will be sent, with a last message when there is one. */
  finish(parts?: readonly Uint8Array[]): void {
    if (this.#over !== undefined) return;
    const [only, more] = parts ?? [];
    if (only !== undefined && more === undefined) {
      this.#requireSize(only.length);
      this.#stream.end(framed(only, only.length));
      return;
    }
    this.#stream.cork();
    if (parts !== undefined) this.#write(parts);
    this.#stream.end();
    this.#stream.uncork();
  }

  #write([first = NOTHING, second]: readonly Uint8Array[], gone?: () => void): void {
    const length = first.length + (second?.length ?? 0);
    this.#requireSize(length);
    if (second === undefined) {
      this.#stream.write(framed(first, length), gone);
      return;
    }
    this.#stream.cork();
    this.#stream.write(framed(first, length));
    this.#stream.write(second, gone);
    this.#stream.uncork();
  }

  /** The one message of a call that has no more; waits until the call is over. */
  async only(): Promise<Uint8Array> {
    while (this.#over === undefined && this.#waiting.length < 2) await this.#woken();
    if (this.#over?.well === false) throw this.#over.reason;
    const [message, more] = this.#waiting;
    if (message === undefined) throw new CallError(Status.internal, "protocol error: no message");
    if (more === undefined) return message;
    this.cancel();
    throw new CallError(Status.internal, "protocol error: more than one message");
  }

  /** The next message; `undefined` when the call ended well. */
  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        this.#waitingBytes -= message.length;
        if (this.#waitingBytes < MOST_WAITING_BYTES && this.#stream.isPaused()) this.#stream.resume();
        return message;
      }
      if (this.#over !== undefined) {
        if (!this.#over.well) throw this.#over.reason;
        return undefined;
      }
      await this.#woken();
    }
  }

  /** Resolves when the peer has begun to answer. Not to be waited for beside {@link GrpcCall.receive}. */
  async answered(): Promise<void> {
    while (!this.#hasHead && this.#over === undefined) {
      await this.#woken();
    }
    if (this.#over?.well === false && this.#waiting.length === 0) throw this.#over.reason;
  }

  /** Ends the call from this side, if it is not over. */
  cancel(reason: unknown = new CallError(Status.canceled, "the call was cancelled")): void {
    this.#end(reason);
  }

  #woken(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #head(headers: IncomingHttpHeaders): void {
    this.#options.heard();
    this.#hasHead = true;
    const status = headers[":status"];
    const type = headers["content-type"] ?? "";
    if (Number(status) !== 200) {
      this.#end(new CallError(httpStatus(Number(status)), `HTTP ${Number(status)}`));
    } else if (!type.startsWith("application/grpc")) {
      this.#end(new CallError(Status.unknown, `unsupported content type ${type}`));
    } else if (headers["grpc-status"] !== undefined) {
      this.#trailers(headers);
    }
    this.#wake?.();
  }

  #trailers(trailers: IncomingHttpHeaders): void {
    const code = String(trailers["grpc-status"] ?? "");
    if (!/^(0|[1-9]\d{0,8})$/.test(code)) return;
    this.#status = { code: Number(code), message: decoded(String(trailers["grpc-message"] ?? "")) };
  }

  #take(chunk: Buffer): void {
    if (this.#over !== undefined) return;
    try {
      this.#reader.read(chunk, (message) => {
        this.#waiting.push(message);
        this.#waitingBytes += message.length;
      });
    } catch (reason) {
      this.#end(reason);
      return;
    }
    if (this.#waitingBytes >= MOST_WAITING_BYTES) this.#stream.pause();
    if (this.#waiting.length > 0) this.#wake?.();
  }

  /** All the peer sent has been read. */
  #ended(): void {
    if (this.#status === undefined) return;
    const { code, message } = this.#status;
    if (code !== 0) this.#end(new CallError(code, message));
    else if (!this.#reader.isWhole) this.#end(new CallError(Status.internal, "protocol error: incomplete message"));
    else this.#end(undefined);
  }

  #closed(): void {
    if (this.#over !== undefined) return;
    const { readableEnded, rstCode } = this.#stream;
    // Whatever the status says, what was not read before the connection went is lost.
    if (this.#status !== undefined && readableEnded) this.#ended();
    else if (this.#broken !== undefined) this.#end(this.#lost(this.#broken, rstCode));
    else if (rstCode !== 0) this.#end(this.#lost(new Error(`stream closed with error code ${rstCode}`), rstCode));
    else if (this.#status === undefined) this.#end(new CallError(Status.internal, "protocol error: missing status"));
    else this.#end(new CallError(Status.unavailable, "the connection closed before the answer was read"));
  }

  #lost(reason: Error, rstCode: number): CallError {
    const wasReset = Reflect.get(reason, "code") === "ERR_HTTP2_STREAM_ERROR";
    const code = resetStatus[rstCode] ?? (wasReset ? Status.internal : undefined);
    if (rstCode === CANCEL) return new CallError(Status.canceled, "stream closed with error code CANCEL", reason);
    return code === undefined ? callErrorFrom(reason) : new CallError(code, reason.message, reason);
  }

  /** The call is over: well without a reason, else for that. */
  #end(reason: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = { well: reason === undefined, reason };
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    if (!this.#stream.readableEnded) {
      this.#waiting.length = 0;
      this.#stream.close(CANCEL);
      // A stream that is held back never closes.
      this.#stream.resume();
    } else if (!this.#stream.writableEnded) {
      this.#stream.close(NO_ERROR);
    }
    this.#wake?.();
  }

  #requireSize(length: number): void {
    const { maxMessageBytes } = this.#options;
    if (length <= maxMessageBytes) return;
    const failure = new CallError(
      Status.resource_exhausted,
      `message size ${length} is larger than ${maxMessageBytes} bytes`,
    );
    this.#end(failure);
    throw failure;
  }
}

/** The peer's words, percent-encoded where they are not plain. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    // Said so by somebody who does not encode; as it is it says more than nothing.
    return message;
  }
}

// See https://github.com/grpc/grpc/blob/v1.75.0/doc/http-grpc-status-mapping.md
function httpStatus(status: number): number {
  if (status === 400) return Status.internal;
  if (status === 401) return Status.unauthenticated;
  if (status === 403) return Status.permission_denied;
  if (status === 404) return Status.not_implemented;
  return [429, 502, 503, 504].includes(status) ? Status.unavailable : Status.unknown;
}
