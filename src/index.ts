/**
 * A containerd in your hands: connect, hold its objects, freeze containers into images and thaw them again.
 *
 * What the OCI specs say is in `containerd-client/oci`, content and leases have entries of their own, checkpoints as
 * documents are in `containerd-client/checkpoint`.
 *
 * @packageDocumentation
 */

export type { CallOptions } from "./call-options.js";
export {
  type CheckpointOption,
  withCheckpointAnnotations,
  withCheckpointImage,
  withCheckpointLabels,
  withCheckpointPart,
  withCheckpointRuntime,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withCheckpointWay,
} from "./checkpoint/plan.js";
export {
  type RestoreOption,
  withRestoreCriuConfig,
  withRestoreImage,
  withRestoreLabels,
  withRestoreRuntime,
  withRestoreRW,
  withRestoreSnapshotter,
  withRestoreSpec,
  withRestoreSpecEdit,
} from "./checkpoint/restore-plan.js";
export type { CheckpointSource } from "./client/checkpoint-source.js";
export type { CheckpointCall, CheckpointResult } from "./client/checkpointing.js";
export { Client } from "./client/client.js";
export { type ConnectOptions, connect, fromEnv } from "./client/connect.js";
export type { Container } from "./client/container.js";
export type { ContainerRecord } from "./client/container-record.js";
export type { Containers } from "./client/containers.js";
export type { CreateContainerOptions } from "./client/create-container.js";
export type { Diffs } from "./client/diffs.js";
export type { Events } from "./client/event-topics.js";
export type { EventOf } from "./client/events.js";
export type { Image } from "./client/image.js";
export type { Images } from "./client/images.js";
export type { Introspection } from "./client/introspection.js";
export type { Mount } from "./client/mount.js";
export type { Namespaces } from "./client/namespaces.js";
export type { NewTaskOptions } from "./client/new-task.js";
export type { Process } from "./client/process.js";
export type { Snapshots } from "./client/snapshots.js";
export { streamIO } from "./client/stream-io.js";
export type { Task } from "./client/task.js";
export { fileIO, nullIO, type TaskIO } from "./client/task-io.js";
export {
  AbortedError,
  AlreadyExistsError,
  CanceledError,
  CheckpointInProgressError,
  ContainerdError,
  DataLossError,
  DeadlineExceededError,
  type ErrorCode,
  FailedPreconditionError,
  InternalError,
  InvalidArgumentError,
  isAlreadyExists,
  isCheckpointInProgress,
  isContainerdError,
  isDataLoss,
  isDeadlineExceeded,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  isNotImplemented,
  isUnavailable,
  NotFoundError,
  NotImplementedError,
  type OperationFailure,
  OutOfRangeError,
  PermissionDeniedError,
  ResourceExhaustedError,
  UnauthenticatedError,
  UnavailableError,
  UnknownError,
} from "./errors.js";
export { type Transport, tcpTransport, unixTransport } from "./rpc/transport.js";
