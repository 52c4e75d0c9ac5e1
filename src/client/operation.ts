import { randomBytes } from "node:crypto";
import type { CallOptions, LeaseRef } from "../call-options.js";
import {
  CanceledError,
  type ContainerdError,
  DeadlineExceededError,
  errorFor,
  FailedPreconditionError,
  isContainerdError,
  isNotFound,
  type OperationFailure,
} from "../errors.js";
import type { Transport } from "../rpc/transport.js";
import { CleanUp, type Undo } from "./clean-up.js";
import type { Services } from "./services.js";

/** Labels that an operation's lease carries, so that what it left behind can be found again. */
export const OperationLabel = {
  /** What it was: `checkpoint` or `restore`. */
  kind: "containerd-client.operation",
  /** The container it was about. */
  container: "containerd-client.operation.container",
} as const;

const LEASE_MS = 60_000;

/** One checkpoint or restore under way: its id, its lease, where it is, and what is to be undone should it fail. */
export class Operation {
  readonly id: string;
  phase = "preflight";
  readonly #services: Services;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;
  readonly #onPhase: (phase: string) => void;
  readonly #cleanUp = new CleanUp();
  #begun = false;
  #rescued: string | undefined;

  constructor(
    services: Services,
    { kind, containerId }: Pick<OperationFailure, "kind" | "containerId">,
    signal: AbortSignal,
    onPhase: (phase: string) => void,
  ) {
    this.id = `containerd-client-${kind}-${Date.now().toString(36)}-${randomBytes(6).toString("hex")}`;
    this.#services = services;
    this.#labels = { [OperationLabel.kind]: kind, [OperationLabel.container]: containerId };
    this.#signal = signal;
    this.#onPhase = onPhase;
  }

  /** The lease, named after the operation. */
  get lease(): LeaseRef {
    return { id: this.id };
  }

  /** For every call of the operation: the caller's signal and deadline and, once it has begun, the lease. */
  get call(): CallOptions {
    return this.#begun ? { signal: this.#signal, lease: this.lease } : { signal: this.#signal };
  }

  /**
   * Makes one short call that the caller's signal does not reach: one given up half-way may still be carried out after it
   * was undone. The signal is looked at afterwards.
   */
  async whole<T>(make: (call: CallOptions) => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const made = await make({ lease: this.lease, timeoutMs: LEASE_MS });
    this.#signal.throwIfAborted();
    return made;
  }

  /** From now on a failure leaves the lease behind, until it expires: what it holds cannot be had again. */
  rescue(what: string): void {
    this.#rescued = what;
  }

  /** Creates the lease. What comes before must make nothing. */
  async begin(): Promise<void> {
    this.#signal.throwIfAborted();
    const { leases } = this.#services;
    this.#cleanUp.atEnd(`lease ${this.id}`, (call, failed) => {
      if (failed && this.#rescued !== undefined) throw new FailedPreconditionError(this.#rescued);
      return leases.delete(this.lease, { ...call, sync: failed });
    });
    // Not with the caller's signal: a lease whose making was given up may be there all the same.
    await leases.create({ id: this.id, labels: this.#labels, timeoutMs: LEASE_MS });
    this.#begun = true;
  }

  /** A name for one part: an ingest ref, a snapshot key. */
  ref(part: string): string {
    return `${this.id}/${part}`;
  }

  /** Says where the operation is now. */
  enter(phase: string): void {
    this.phase = phase;
    this.#onPhase(phase);
  }

  /** To be done when the operation fails, newest first. */
  onFailure(what: string, undo: Undo): void {
    this.#cleanUp.onFailure(what, undo);
  }

  /** To be done however the operation ends, newest first. */
  atEnd(what: string, undo: Undo): void {
    this.#cleanUp.atEnd(what, undo);
  }

  /** Does what was registered and says what could not be done. */
  finish(failed: boolean): Promise<string[]> {
    return this.#cleanUp.run(failed);
  }
}

interface UnderWay {
  readonly callOff: (reason: Error) => void;
  readonly over: Promise<unknown>;
}

const underWay = new WeakMap<Transport, Set<UnderWay>>();

/** Calls off what is under way over a connection, and waits until each has cleaned up: nobody could do it afterwards. */
export async function callOffOperations(transport: Transport): Promise<void> {
  const operations = [...(underWay.get(transport) ?? [])];
  const reason = new CanceledError("The client was closed");
  for (const { callOff } of operations) callOff(reason);
  await Promise.allSettled(operations.map(({ over }) => over));
}

/** What the caller of an operation may set. */
export interface OperationOptions extends CallOptions {
  /** Told when the operation enters a phase. */
  readonly onPhase?: ((phase: string) => void) | undefined;
}

/**
 * Runs `body` as one operation: under a lease of its own once it begins, ended by the caller's signal or deadline, and cleaned up
 * whatever happens. Errors leave with what is known about the operation.
 */
export async function operate<T>(
  services: Services,
  kind: OperationFailure["kind"],
  containerId: string,
  options: OperationOptions,
  body: (operation: Operation) => Promise<T>,
): Promise<Ended<T>> {
  const closing = new AbortController();
  const over = run(services, kind, containerId, options, body, closing.signal);
  const { transport } = services.rpc;
  const operations = underWay.get(transport) ?? new Set();
  underWay.set(transport, operations);
  const entry = { callOff: (reason: Error) => closing.abort(reason), over };
  operations.add(entry);
  try {
    return await over;
  } finally {
    operations.delete(entry);
  }
}

interface Ended<T> {
  readonly result: T;
  readonly leftBehind: readonly string[];
}

async function run<T>(
  services: Services,
  kind: OperationFailure["kind"],
  containerId: string,
  options: OperationOptions,
  body: (operation: Operation) => Promise<T>,
  closing: AbortSignal,
): Promise<Ended<T>> {
  const { timeoutMs } = options;
  const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([closing, options.signal, deadline].filter((one) => one !== undefined));
  signal.throwIfAborted();
  const endedBy = (reason: unknown): unknown => {
    if (closing.aborted) return closing.reason;
    if (!deadline?.aborted) return reason;
    const message = `The ${kind} of container ${containerId} took longer than ${timeoutMs} ms`;
    return new DeadlineExceededError(message, { cause: reason });
  };
  const operation = new Operation(services, { kind, containerId }, signal, options.onPhase ?? (() => {}));
  try {
    const result = await body(operation);
    return { result, leftBehind: await operation.finish(false) };
  } catch (reason) {
    const leftBehind = await operation.finish(true);
    if (options.signal?.aborted) throw options.signal.reason;
    const error = endedBy(reason);
    if (!isContainerdError(error)) throw error;
    const taskStatus = await statusOf(services, containerId);
    const { id, phase } = operation;
    throw explain(error, { id, kind, phase, containerId, taskStatus, leftBehind });
  }
}

/** The same failure, with what is known about the operation; its class, message and stack stay. */
export function explain(error: ContainerdError, operation: OperationFailure): ContainerdError {
  const { code, message, hint, method, namespace, criuLog } = error;
  const explained = errorFor(code, message, {
    cause: error.cause ?? error,
    hint,
    method,
    namespace,
    criuLog,
    operation,
  });
  if (error.stack !== undefined) explained.stack = error.stack;
  return explained;
}

async function statusOf(services: Services, containerId: string): Promise<string> {
  try {
    const container = await services.containers.get(containerId, { timeoutMs: 5_000 });
    const task = await container.task({ timeoutMs: 5_000 });
    return (await task.status({ timeoutMs: 5_000 })).status;
  } catch (reason) {
    return isNotFound(reason) ? "absent" : "unknown";
  }
}
