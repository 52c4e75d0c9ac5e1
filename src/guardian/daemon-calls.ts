import { type Reach, Session } from "../rpc/session.js";
import type { WatchedPause } from "./messages.js";
import type { SeenTask } from "./thaw.js";

/** What a call ended with, other than success. */
export class CallFailure extends Error {
  /** The gRPC status; `undefined` when there was no answer. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

const NOT_FOUND = 5;
// No answer, whatever the words: the call may have been carried out, or may be later.
const UNANSWERED: readonly unknown[] = [undefined, "1", "4", "14"];
const PAUSED = 4;
const PAUSING = 5;
const PREFIX_BYTES = 5;
const MOST_REPLY_BYTES = 1024 * 1024;

/**
 * The few calls a guardian makes. They are written out by hand, because loading what the library makes calls with takes
 * three times as long as starting Node does.
 */
export class DaemonCalls {
  readonly #session: Session;

  constructor({ authority, path, tls }: Reach) {
    this.#session = new Session(authority, { path, tls, connectTimeoutMs: 5_000 });
  }

  /** Connects, and sees that the daemon answers. */
  reach(timeoutMs: number): Promise<void> {
    return this.#session.reach(timeoutMs);
  }

  /** The process of a container's task, and whether it is paused; `undefined` when it has none. */
  async look({ namespace, containerId }: WatchedPause, timeoutMs: number): Promise<SeenTask | undefined> {
    const looking = this.#call("tasks.v1.Tasks/Get", namespace, text(1, containerId), timeoutMs);
    const reply = await looking.catch((reason: unknown) => {
      if (reason instanceof CallFailure && reason.status === NOT_FOUND) return undefined;
      throw reason;
    });
    if (reply === undefined) return undefined;
    const process = fields(fields(reply).bytes.get(1) ?? Buffer.alloc(0)).numbers;
    const status = process.get(4);
    return { pid: process.get(3) ?? 0, paused: status === PAUSED || status === PAUSING };
  }

  /** Resumes it; `false` when the daemon will not. */
  async resume({ namespace, containerId }: WatchedPause, timeoutMs: number): Promise<boolean> {
    try {
      await this.#call("tasks.v1.Tasks/Resume", namespace, text(1, containerId), timeoutMs);
      return true;
    } catch (reason) {
      if (reason instanceof CallFailure && reason.status !== undefined) return false;
      throw reason;
    }
  }

  /** Whether the pause still stands on the operation's lease: who takes the operation over ends it and takes it away. */
  async stands({ namespace, intent }: WatchedPause, timeoutMs: number): Promise<boolean> {
    try {
      const reply = await this.#call("leases.v1.Leases/ListResources", namespace, text(1, intent.lease), timeoutMs);
      return reply.includes(field(1, resourceOf(intent)));
    } catch (reason) {
      if (!(reason instanceof CallFailure) || reason.status === undefined) throw reason;
      // A daemon that cannot tell must not keep the task frozen.
      return reason.status !== NOT_FOUND;
    }
  }

  /** Takes the pause from the operation's lease. */
  async forget({ namespace, intent }: WatchedPause, timeoutMs: number): Promise<void> {
    const input = Buffer.concat([text(1, intent.lease), field(2, resourceOf(intent))]);
    await this.#call("leases.v1.Leases/DeleteResource", namespace, input, timeoutMs);
  }

  close(): void {
    this.#session.close();
  }

  async #call(method: string, namespace: string, input: Buffer, timeoutMs: number): Promise<Buffer> {
    const headers = {
      "content-type": "application/grpc",
      te: "trailers",
      "containerd-namespace": namespace,
      "grpc-timeout": `${Math.ceil(timeoutMs)}m`,
    };
    const opened = this.#session.request("POST", `/containerd.services.${method}`, headers);
    const stream = await opened.catch((reason: unknown) => {
      throw new CallFailure(reason instanceof Error ? reason.message : String(reason));
    });
    const timer = setTimeout(() => stream.destroy(new Error(`${method} took longer than ${timeoutMs} ms`)), timeoutMs);
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        let status: Record<string, unknown> = {};
        const chunks: Buffer[] = [];
        let size = 0;
        // An answer without a message has its trailers in front.
        stream.on("response", (headers) => {
          status = { ...status, ...headers };
        });
        stream.on("trailers", (trailers) => {
          status = { ...status, ...trailers };
        });
        stream.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MOST_REPLY_BYTES) stream.destroy(new Error(`${method} answered with too much`));
          else chunks.push(chunk);
        });
        stream.on("error", (reason) => reject(new CallFailure(reason.message)));
        stream.on("close", () => {
          const code = status["grpc-status"];
          if (code === "0") resolve(Buffer.concat(chunks).subarray(PREFIX_BYTES));
          else reject(failure(method, code, status["grpc-message"]));
        });
        const prefix = Buffer.alloc(PREFIX_BYTES);
        prefix.writeUInt32BE(input.length, 1);
        stream.end(Buffer.concat([prefix, input]));
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

function failure(method: string, code: unknown, message: unknown): CallFailure {
  const said = typeof message === "string" ? message : "no answer";
  return new CallFailure(`${method}: ${said}`, UNANSWERED.includes(code) ? undefined : Number(code));
}

function resourceOf({ id, type }: WatchedPause["intent"]): Buffer {
  return Buffer.concat([text(1, id), text(2, type)]);
}

// See https://protobuf.dev/programming-guides/encoding/
const VARINT = 0;
const BYTES = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + BYTES), varint(bytes.length), bytes]);
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value));
}

/** The fields of a message up to the first of a kind that is not wanted here; what is wanted comes first. */
function fields(message: Buffer): { numbers: Map<number, number>; bytes: Map<number, Buffer> } {
  const numbers = new Map<number, number>();
  const bytes = new Map<number, Buffer>();
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = next();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (type === VARINT) {
      numbers.set(number, next());
    } else if (type === BYTES) {
      const length = next();
      bytes.set(number, message.subarray(at, at + length));
      at += length;
    } else {
      break;
    }
  }
  return { numbers, bytes };
}
