import type { ErrorCode } from "../errors.js";

/** The statuses a gRPC call ends with, other than 0. @see https://github.com/grpc/grpc/blob/v1.75.0/doc/statuscodes.md */
export const Status: { readonly [C in ErrorCode]: number } = {
  canceled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  not_implemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
};

/**
 * How a call failed, in the shape that Connect's own error has: who uses one of our transports with Connect's clients gets
 * what its `instanceof ConnectError` takes for one, without our loading Connect.
 */
export class CallError extends Error {
  override readonly name = "ConnectError";
  /** The gRPC status. */
  readonly code: number;
  /** What the peer said, as it said it. */
  readonly rawMessage: string;
  readonly details: readonly unknown[] = [];
  override readonly cause: unknown;

  constructor(code: number, message: string, cause?: unknown) {
    super(message);
    this.code = code;
    this.rawMessage = message;
    this.cause = cause;
  }

  /** None is kept. */
  get metadata(): Headers {
    return new Headers();
  }
}

/** The same failure as one with a status: what has none is `Unknown`, or `Canceled` when it was an abort. */
export function callErrorFrom(reason: unknown): CallError {
  if (isCallError(reason)) return reason;
  if (!(reason instanceof Error)) return new CallError(Status.unknown, String(reason), reason);
  const ended = reason.name === "AbortError" || reason.name === "TimeoutError";
  return new CallError(ended ? Status.canceled : Status.unknown, reason.message, reason);
}

function isCallError(reason: unknown): reason is CallError {
  return (
    reason instanceof Error &&
    typeof Reflect.get(reason, "code") === "number" &&
    typeof Reflect.get(reason, "rawMessage") === "string"
  );
}
