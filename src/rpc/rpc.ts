import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallOptions } from "../call-options.js";
import { timeoutOf } from "../call-timeout.js";
import { DeadlineExceededError, InvalidArgumentError } from "../errors.js";
import { type Duplex, DuplexCall } from "./duplex.js";
import { isRefusedStream, toContainerdError } from "./status.js";
import type { Transport } from "./transport.js";

const REFUSED_TRIES = 3;

/** Calls in one containerd namespace: names it and the lease on the wire, and lets failures leave as our own errors. */
export class Rpc {
  readonly namespace: string;
  readonly transport: Transport;

  constructor(transport: Transport, namespace: string) {
    this.transport = transport;
    this.namespace = namespace;
  }

  inNamespace(namespace: string): Rpc {
    return new Rpc(this.transport, namespace);
  }

  close(): void {
    this.transport.close?.();
  }

  /** Sends one message and waits for one. A call the peer refused to look at is sent again. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    call: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const header = this.header(call);
    const timeoutMs = timeoutOf(call);
    for (let attempt = 1; ; attempt++) {
      call.signal?.throwIfAborted();
      try {
        const reply = await this.transport.unary(method, call.signal, timeoutMs, header, input);
        return reply.message;
      } catch (reason) {
        if (attempt < REFUSED_TRIES && isRefusedStream(reason)) continue;
        throw this.translate(reason, method, call);
      }
    }
  }

  /** Sends one message and yields what comes back. Nothing is sent before the first item is asked for; leaving the loop ends the call. */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    input: MessageInitShape<I>,
    call: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const header = this.header(call);
    const timeoutMs = timeoutOf(call);
    for (let attempt = 1; ; attempt++) {
      call.signal?.throwIfAborted();
      // connect drops the iterator's return(): only a signal of our own ends the call at the server.
      const stop = new AbortController();
      const forward = () => stop.abort(call.signal?.reason);
      call.signal?.addEventListener("abort", forward, { once: true });
      let received = false;
      try {
        const reply = await this.transport.stream(method, stop.signal, timeoutMs, header, once(input));
        for await (const message of reply.message) {
          received = true;
          yield message;
        }
        return;
      } catch (reason) {
        if (!received && attempt < REFUSED_TRIES && isRefusedStream(reason)) continue;
        throw this.translate(reason, method, call);
      } finally {
        call.signal?.removeEventListener("abort", forward);
        stop.abort();
      }
    }
  }

  /** Opens a stream in both directions; the call starts with the first message sent. */
  duplex<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    call: CallOptions = {},
  ): Duplex<MessageInitShape<I>, MessageShape<O>> {
    const header = this.header(call);
    const timeoutMs = timeoutOf(call);
    return new DuplexCall<MessageInitShape<I>, MessageShape<O>>({
      signal: call.signal,
      open: (input, signal) => this.transport.stream(method, signal, timeoutMs, header, input),
      mayRetry: (reason, attempt) => attempt < REFUSED_TRIES && isRefusedStream(reason),
      translate: (reason) => this.translate(reason, method, call),
    });
  }

  /** Not `Headers`: the first use of that loads all of Node's fetch. */
  private header({ lease }: CallOptions): Readonly<Record<string, string>> {
    const header = { "containerd-namespace": printable(this.namespace, "a namespace") };
    return lease === undefined ? header : { ...header, "containerd-lease": printable(lease.id, "a lease") };
  }

  private translate(reason: unknown, method: DescMethod, call: CallOptions): unknown {
    if (call.signal?.aborted) return call.signal.reason;
    const name = `${method.parent.typeName}/${method.name}`;
    const error = toContainerdError(reason, { method: name, namespace: this.namespace });
    if (error.code === "deadline_exceeded" && call.timeoutMs !== undefined) {
      return new DeadlineExceededError(`${name} took longer than ${call.timeoutMs} ms`, {
        method: name,
        namespace: this.namespace,
        cause: reason,
      });
    }
    return error;
  }
}

/** Node sends the lower byte of any other character, which may be somebody else's name. */
function printable(value: string, what: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  throw new InvalidArgumentError(`Cannot name ${what} ${JSON.stringify(value)}: expected printable ASCII`);
}

async function* once<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield value;
}
