import type { DescMessage } from "@bufbuild/protobuf";
import { ContainerCreateSchema, ContainerDeleteSchema, ContainerUpdateSchema } from "../api/events/container_pb.js";
import { ContentCreateSchema, ContentDeleteSchema } from "../api/events/content_pb.js";
import { ImageCreateSchema, ImageDeleteSchema, ImageUpdateSchema } from "../api/events/image_pb.js";
import { NamespaceCreateSchema, NamespaceDeleteSchema, NamespaceUpdateSchema } from "../api/events/namespace_pb.js";
import { SandboxCreateSchema, SandboxExitSchema, SandboxStartSchema } from "../api/events/sandbox_pb.js";
import { SnapshotCommitSchema, SnapshotPrepareSchema, SnapshotRemoveSchema } from "../api/events/snapshot_pb.js";
import {
  TaskCheckpointedSchema,
  TaskCreateSchema,
  TaskDeleteSchema,
  TaskExecAddedSchema,
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskOOMSchema,
  TaskPausedSchema,
  TaskResumedSchema,
  TaskStartSchema,
} from "../api/events/task_pb.js";
import type { Labels } from "../oci/descriptor.js";
import type { ContainerRuntime } from "./container-record.js";
import type { Mount } from "./mount.js";
import type { IORequest } from "./task-io.js";

/**
 * An object known by its id.
 *
 * @inline
 */
interface OfId {
  /** Its id. */
  id: string;
}

/**
 * An object known by its name.
 *
 * @inline
 */
interface OfName {
  /** Its name. */
  name: string;
}

/**
 * A named object and its labels.
 *
 * @inline
 */
interface OfLabels extends OfName {
  /** All its labels. */
  labels: Labels;
}

/**
 * A container that was made.
 *
 * @inline
 */
interface OfContainer extends OfId {
  /** Name of its image. */
  image: string;
  /** Which runtime runs it. */
  runtime?: ContainerRuntime;
}

/**
 * A container whose record was changed.
 *
 * @inline
 */
interface OfContainerChange extends OfId {
  /** Name of its image. */
  image: string;
  /** All its labels. */
  labels: Labels;
  /** Key of its snapshot. */
  snapshotKey: string;
}

/**
 * A blob.
 *
 * @inline
 */
interface OfBlob {
  /** Its digest. */
  digest: string;
}

/**
 * A blob that was committed.
 *
 * @inline
 */
interface OfNewBlob extends OfBlob {
  /** Bytes. */
  size: number;
  /** Its media type; from containerd 2.4 on. */
  mediaType: string;
}

/**
 * How something ended.
 *
 * @inline
 */
interface OfEnd {
  /** The exit status. */
  exitStatus: number;
  /** When it ended. */
  exitedAt?: Date;
}

/**
 * A sandbox.
 *
 * @inline
 */
interface OfSandbox {
  /** Its id. */
  sandboxId: string;
}

/**
 * A snapshot.
 *
 * @inline
 */
interface OfSnapshot {
  /** Its key. */
  key: string;
  /** Who holds it; from containerd 1.7 on. */
  snapshotter: string;
}

/**
 * A task.
 *
 * @inline
 */
interface OfTask {
  /** The container it runs in. */
  containerId: string;
}

/**
 * A process of a task.
 *
 * @inline
 */
interface OfProcess extends OfTask {
  /** Its process id on the daemon's host. */
  pid: number;
}

/**
 * A process that ended.
 *
 * @inline
 */
interface OfProcessEnd extends OfProcess, OfEnd {
  /** An exec's id, or the container's for the task itself; `/tasks/delete` may leave it empty then. */
  id: string;
}

/**
 * A process beside the task's own.
 *
 * @inline
 */
interface OfExec extends OfTask {
  /** Its id in the task. */
  execId: string;
}

/**
 * A task that was made.
 *
 * @inline
 */
interface OfNewTask extends OfProcess {
  /** The bundle directory on the daemon's host. */
  bundle: string;
  /** Mounts of the root filesystem. */
  rootfs: readonly Mount[];
  /** Where its streams lead. */
  io?: IORequest;
  /** The directory of a memory image; empty when it was made afresh. */
  checkpoint: string;
}

/** What daemons tell, by topic. Fields that a daemon does not know yet are empty. */
export interface Events {
  /** A container was made. */
  "/containers/create": OfContainer;
  /** A container's record was changed. */
  "/containers/update": OfContainerChange;
  /** A container's record was removed. */
  "/containers/delete": OfId;
  /** A blob was committed; from containerd 2.1 on. */
  "/content/create": OfNewBlob;
  /** A blob was removed. */
  "/content/delete": OfBlob;
  /** An image was made. */
  "/images/create": OfLabels;
  /** An image was changed. */
  "/images/update": OfLabels;
  /** An image was removed. */
  "/images/delete": OfName;
  /** A namespace was made. */
  "/namespaces/create": OfLabels;
  /** A namespace's labels were changed. */
  "/namespaces/update": OfLabels;
  /** A namespace was removed. */
  "/namespaces/delete": OfName;
  /** A sandbox was made. */
  "/sandboxes/create": OfSandbox;
  /** A sandbox was started. */
  "/sandboxes/start": OfSandbox;
  /** A sandbox ended. */
  "/sandboxes/exit": OfSandbox & OfEnd;
  /** An active snapshot was made; `parent` is empty when it stands on nothing. */
  "/snapshot/prepare": OfSnapshot & Record<"parent", string>;
  /** The active snapshot `key` became the committed one `name`. */
  "/snapshot/commit": OfSnapshot & OfName;
  /** A snapshot was removed. */
  "/snapshot/remove": OfSnapshot;
  /** A task was made. */
  "/tasks/create": OfNewTask;
  /** A task was started. */
  "/tasks/start": OfProcess;
  /** A process that ended was removed. containerd's shim may end before it has said so of its task: then this never comes. */
  "/tasks/delete": OfProcessEnd;
  /** A process ended. */
  "/tasks/exit": OfProcessEnd;
  /** A task ran out of memory. */
  "/tasks/oom": OfTask;
  /** A further process was prepared. */
  "/tasks/exec-added": OfExec;
  /** A further process was started. */
  "/tasks/exec-started": OfExec & OfProcess;
  /** A task was frozen. */
  "/tasks/paused": OfTask;
  /** A frozen task went on. */
  "/tasks/resumed": OfTask;
  /** A task was checkpointed. No daemon so far tells. */
  "/tasks/checkpointed": OfTask & Record<"checkpoint", string>;
}

/**
 * A topic this library knows.
 *
 * @inline
 */
export type Topic = keyof Events;

/** The message each topic travels in. */
export const eventSchemas: { readonly [T in Topic]: DescMessage } = {
  "/containers/create": ContainerCreateSchema,
  "/containers/update": ContainerUpdateSchema,
  "/containers/delete": ContainerDeleteSchema,
  "/content/create": ContentCreateSchema,
  "/content/delete": ContentDeleteSchema,
  "/images/create": ImageCreateSchema,
  "/images/update": ImageUpdateSchema,
  "/images/delete": ImageDeleteSchema,
  "/namespaces/create": NamespaceCreateSchema,
  "/namespaces/update": NamespaceUpdateSchema,
  "/namespaces/delete": NamespaceDeleteSchema,
  "/sandboxes/create": SandboxCreateSchema,
  "/sandboxes/start": SandboxStartSchema,
  "/sandboxes/exit": SandboxExitSchema,
  "/snapshot/prepare": SnapshotPrepareSchema,
  "/snapshot/commit": SnapshotCommitSchema,
  "/snapshot/remove": SnapshotRemoveSchema,
  "/tasks/create": TaskCreateSchema,
  "/tasks/start": TaskStartSchema,
  "/tasks/delete": TaskDeleteSchema,
  "/tasks/exit": TaskExitSchema,
  "/tasks/oom": TaskOOMSchema,
  "/tasks/exec-added": TaskExecAddedSchema,
  "/tasks/exec-started": TaskExecStartedSchema,
  "/tasks/paused": TaskPausedSchema,
  "/tasks/resumed": TaskResumedSchema,
  "/tasks/checkpointed": TaskCheckpointedSchema,
};

/** Whether `topic` is one of those this library knows. */
export function isTopic(topic: string): topic is Topic {
  return Object.hasOwn(eventSchemas, topic);
}
