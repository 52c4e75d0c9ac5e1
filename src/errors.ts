/**
 * What a failure is called. One literal per class of containerd's errdefs, plus gRPC's `canceled` and `deadline_exceeded`.
 *
 * @see https://github.com/containerd/errdefs/blob/v1.0.0/errors.go
 */
export type ErrorCode =
  | "unknown"
  | "canceled"
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "not_implemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated"
  | "deadline_exceeded";

/** What is known about a checkpoint or restore that did not succeed. */
export interface OperationFailure {
  /** The operation's id, which is also the id of its lease. */
  readonly id: string;
  /** Which operation it was. */
  readonly kind: "checkpoint" | "restore";
  /** The step that failed, as progress events name it. */
  readonly phase: string;
  /** The container it was about. */
  readonly containerId: string;
  /** The task's state after clean-up; `absent` when there is no task, `unknown` when the daemon could not be asked. */
  readonly taskStatus: string;
  /** What clean-up could not remove or undo; empty when everything is as it was before the call. */
  readonly leftBehind: readonly string[];
}

/**
 * Facts an error may carry beside its message.
 *
 * @inline
 */
export interface ErrorFacts {
  /** The reason below this one. */
  readonly cause?: unknown;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** The RPC that failed, such as `containerd.services.images.v1.Images/Get`. */
  readonly method?: string | undefined;
  /** The containerd namespace of the call. */
  readonly namespace?: string | undefined;
  /** Set when a checkpoint or restore failed. */
  readonly operation?: OperationFailure | undefined;
  /** criu's own error lines, oldest first, when its log could be read. */
  readonly criuLog?: readonly string[] | undefined;
}

// Known to every copy of this library in one process, where `instanceof` knows only its own.
const BRAND = Symbol.for("containerd-client.error");

/** Base of every error this library throws; `code` tells which one it is, and never changes between releases. */
export class ContainerdError<C extends ErrorCode = ErrorCode> extends Error {
  /** The class of failure. */
  readonly code: C;
  /** What to do about it, when there is something to say. */
  readonly hint: string | undefined;
  /** The RPC that failed, when one did. */
  readonly method: string | undefined;
  /** The containerd namespace of the call, when one was made. */
  readonly namespace: string | undefined;
  /** What is known about the checkpoint or restore that failed, when one did. */
  readonly operation: OperationFailure | undefined;
  /** criu's own error lines, oldest first; empty when there are none or its log could not be read. */
  readonly criuLog: readonly string[];

  /** Makes an error of the given class. */
  constructor(code: C, message: string, facts: ErrorFacts = {}) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.name = new.target.name;
    Object.defineProperty(this, BRAND, { value: true });
    this.code = code;
    this.hint = facts.hint;
    this.method = facts.method;
    this.namespace = facts.namespace;
    this.operation = facts.operation;
    this.criuLog = facts.criuLog ?? [];
  }
}

/** The daemon gave no class of its own: the message is all there is. */
export class UnknownError extends ContainerdError<"unknown"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("unknown", message, facts);
  }
}

/** The daemon ended the call because somebody cancelled it. */
export class CanceledError extends ContainerdError<"canceled"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("canceled", message, facts);
  }
}

/** What was passed cannot be right, whatever the state of the daemon. */
export class InvalidArgumentError extends ContainerdError<"invalid_argument"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("invalid_argument", message, facts);
  }
}

/** There is no such object in this namespace. */
export class NotFoundError extends ContainerdError<"not_found"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("not_found", message, facts);
  }
}

/** The name is taken. */
export class AlreadyExistsError extends ContainerdError<"already_exists"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("already_exists", message, facts);
  }
}

/** This process may not do that. */
export class PermissionDeniedError extends ContainerdError<"permission_denied"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("permission_denied", message, facts);
  }
}

/** A limit was reached: space, message size, count. */
export class ResourceExhaustedError extends ContainerdError<"resource_exhausted"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("resource_exhausted", message, facts);
  }
}

/** The object is not in the state this needs. */
export class FailedPreconditionError extends ContainerdError<"failed_precondition"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("failed_precondition", message, facts);
  }
}

/** Somebody else's work got in the way; trying again may succeed. */
export class AbortedError extends ContainerdError<"aborted"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("aborted", message, facts);
  }
}

/** Another checkpoint or restore is at work on the same container, or makes the same image. Nothing was changed. */
export class CheckpointInProgressError extends AbortedError {}

/** An offset or length lies outside the content. */
export class OutOfRangeError extends ContainerdError<"out_of_range"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("out_of_range", message, facts);
  }
}

/** This daemon does not know how to do that. */
export class NotImplementedError extends ContainerdError<"not_implemented"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("not_implemented", message, facts);
  }
}

/** Something is broken on the other side. */
export class InternalError extends ContainerdError<"internal"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("internal", message, facts);
  }
}

/** The daemon cannot be reached, or an ingest is locked by another writer. */
export class UnavailableError extends ContainerdError<"unavailable"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("unavailable", message, facts);
  }
}

/** Bytes are not what their descriptor says. */
export class DataLossError extends ContainerdError<"data_loss"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("data_loss", message, facts);
  }
}

/** The daemon wants to know who is calling. */
export class UnauthenticatedError extends ContainerdError<"unauthenticated"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("unauthenticated", message, facts);
  }
}

/** The call's `timeoutMs` passed first. */
export class DeadlineExceededError extends ContainerdError<"deadline_exceeded"> {
  /** Makes one. */
  constructor(message: string, facts?: ErrorFacts) {
    super("deadline_exceeded", message, facts);
  }
}

const classes: { readonly [C in ErrorCode]: new (message: string, facts?: ErrorFacts) => ContainerdError<C> } = {
  unknown: UnknownError,
  canceled: CanceledError,
  invalid_argument: InvalidArgumentError,
  not_found: NotFoundError,
  already_exists: AlreadyExistsError,
  permission_denied: PermissionDeniedError,
  resource_exhausted: ResourceExhaustedError,
  failed_precondition: FailedPreconditionError,
  aborted: AbortedError,
  out_of_range: OutOfRangeError,
  not_implemented: NotImplementedError,
  internal: InternalError,
  unavailable: UnavailableError,
  data_loss: DataLossError,
  unauthenticated: UnauthenticatedError,
  deadline_exceeded: DeadlineExceededError,
};

/** Makes the error whose class goes with `code`. */
export function errorFor<C extends ErrorCode>(code: C, message: string, facts?: ErrorFacts): ContainerdError<C> {
  return new classes[code](message, facts);
}

/** Whether `error` is one of this library's, and of class `code` when that is given. */
export function isContainerdError<C extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: C,
): error is ContainerdError<C> {
  if (!(error instanceof Error) || !(BRAND in error)) return false;
  return code === undefined || ("code" in error && error.code === code);
}

/** Whether `error` says that there is no such object. */
export function isNotFound(error: unknown): error is NotFoundError {
  return isContainerdError(error, "not_found");
}

/** Whether `error` says that the name is taken. */
export function isAlreadyExists(error: unknown): error is AlreadyExistsError {
  return isContainerdError(error, "already_exists");
}

/** Whether `error` says that what was passed cannot be right. */
export function isInvalidArgument(error: unknown): error is InvalidArgumentError {
  return isContainerdError(error, "invalid_argument");
}

/** Whether `error` says that the daemon cannot be reached, or that an ingest is locked. */
export function isUnavailable(error: unknown): error is UnavailableError {
  return isContainerdError(error, "unavailable");
}

/** Whether `error` says that the object is in the wrong state. */
export function isFailedPrecondition(error: unknown): error is FailedPreconditionError {
  return isContainerdError(error, "failed_precondition");
}

/** Whether `error` says that another checkpoint or restore is at work on the same container, or makes the same image. */
export function isCheckpointInProgress(error: unknown): error is CheckpointInProgressError {
  return isContainerdError(error, "aborted") && error.name === CheckpointInProgressError.name;
}

/** Whether `error` says that the daemon does not know the call. */
export function isNotImplemented(error: unknown): error is NotImplementedError {
  return isContainerdError(error, "not_implemented");
}

/** Whether `error` says that the deadline passed. */
export function isDeadlineExceeded(error: unknown): error is DeadlineExceededError {
  return isContainerdError(error, "deadline_exceeded");
}

/** Whether `error` says that bytes are not what their descriptor says. */
export function isDataLoss(error: unknown): error is DataLossError {
  return isContainerdError(error, "data_loss");
}
