import { timeoutOf } from "../call-timeout.js";
import {
  CheckpointInProgressError,
  type ContainerdError,
  DeadlineExceededError,
  type ErrorFacts,
  errorFor,
  isCheckpointInProgress,
  isContainerdError,
  isNotFound,
  type OperationFailure,
} from "../errors.js";
import { Operation, type OperationOptions, type OperationSubject } from "./operation.js";
import { useGuardian } from "./recovery/guardian.js";
import { operationsHere } from "./recovery/owner.js";
import { takeTurn } from "./recovery/queue.js";
import type { Services } from "./services.js";
import { underWayOver } from "./under-way.js";

interface Ended<T> {
  readonly result: T;
  readonly leftBehind: readonly string[];
}

/**
 * Runs `body` as one operation: when its turn comes, alone on its container and image, under a lease of its own once it begins,
 * ended by the caller's signal or deadline, and cleaned up whatever happens. Errors leave with what is known about the
 * operation.
 */
export async function operate<T>(
  services: Services,
  subject: OperationSubject,
  options: OperationOptions,
  body: (operation: Operation) => Promise<T>,
): Promise<Ended<T>> {
  const callingOff = new AbortController();
  const callOff = (reason: Error) => callingOff.abort(reason);
  const over = run(services, subject, options, body, callingOff.signal, callOff);
  const operations = underWayOver(services.rpc.transport);
  const entry = { callOff, over };
  operations.add(entry);
  try {
    return await over;
  } finally {
    operations.delete(entry);
  }
}

async function run<T>(
  services: Services,
  subject: OperationSubject,
  options: OperationOptions,
  body: (operation: Operation) => Promise<T>,
  calledOff: AbortSignal,
  callOff: (reason: Error) => void,
): Promise<Ended<T>> {
  const { kind, containerId } = subject;
  const timeoutMs = timeoutOf(options);
  const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([calledOff, options.signal, deadline].filter((one) => one !== undefined));
  const endedBy = (reason: unknown): unknown => {
    if (calledOff.aborted) return calledOff.reason;
    if (!deadline?.aborted) return reason;
    const message = `The ${kind} of container ${containerId} took longer than ${timeoutMs} ms`;
    return new DeadlineExceededError(message, { cause: reason });
  };
  const done = await takeTurn(services.rpc.transport, services.maxConcurrent, signal).catch((reason: unknown) => {
    throw options.signal?.aborted ? options.signal.reason : endedBy(reason);
  });
  const pauses = kind === "checkpoint" && services.guardian;
  const guardian = pauses ? useGuardian(services.rpc.transport) : undefined;
  let operation: Operation | undefined;
  try {
    operation = new Operation(services, subject, options, { signal, guardian, callOff });
    operationsHere.add(operation.id);
    return await attempt(services, subject, options, operation, endedBy, body);
  } finally {
    if (operation !== undefined) operationsHere.delete(operation.id);
    guardian?.release();
    done();
  }
}

async function attempt<T>(
  services: Services,
  { kind, containerId }: OperationSubject,
  options: OperationOptions,
  operation: Operation,
  endedBy: (reason: unknown) => unknown,
  body: (operation: Operation) => Promise<T>,
): Promise<Ended<T>> {
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
  const facts: ErrorFacts = { cause: error.cause ?? error, hint, method, namespace, criuLog, operation };
  const explained = isCheckpointInProgress(error)
    ? new CheckpointInProgressError(message, facts)
    : errorFor(code, message, facts);
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
