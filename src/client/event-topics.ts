import type { DescMessage } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
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
import type { Mount } from "./mount.js";

/** What daemons tell, by topic. Fields that a daemon does not know yet are empty. */
export interface Events {
  /** A container was made. */
  "/containers/create": { id: string; image: string; runtime?: { name: string; options?: Any } };
  /** A container's record was changed; `labels` are all of them. */
  "/containers/update": { id: string; image: string; labels: Labels; snapshotKey: string };
  /** A container's record was removed. */
  "/containers/delete": { id: string };
  /** A blob was committed; from containerd 2.1 on. */
  "/content/create": { digest: string; size: number; mediaType: string };
  /** A blob was removed. */
  "/content/delete": { digest: string };
  /** An image was made. */
  "/images/create": { name: string; labels: Labels };
  /** An image was changed; `labels` are all of them. */
  "/images/update": { name: string; labels: Labels };
  /** An image was removed. */
  "/images/delete": { name: string };
  /** A namespace was made. */
  "/namespaces/create": { name: string; labels: Labels };
  /** A namespace's labels were changed; `labels` are all of them. */
  "/namespaces/update": { name: string; labels: Labels };
  /** A namespace was removed. */
  "/namespaces/delete": { name: string };
  /** A sandbox was made. */
  "/sandboxes/create": { sandboxId: string };
  /** A sandbox was started. */
  "/sandboxes/start": { sandboxId: string };
  /** A sandbox ended. */
  "/sandboxes/exit": { sandboxId: string; exitStatus: number; exitedAt?: Date };
  /** An active snapshot was made. */
  "/snapshot/prepare": { key: string; parent: string; snapshotter: string };
  /** The active snapshot `key` became the committed one `name`. */
  "/snapshot/commit": { key: string; name: string; snapshotter: string };
  /** A snapshot was removed. */
  "/snapshot/remove": { key: string; snapshotter: string };
  /** A task was made; `checkpoint` is a directory of the daemon when it was made from one. */
  "/tasks/create": {
    containerId: string;
    bundle: string;
    rootfs: readonly Mount[];
    io?: { stdin: string; stdout: string; stderr: string; terminal: boolean };
    checkpoint: string;
    pid: number;
  };
  /** A task was started. */
  "/tasks/start": { containerId: string; pid: number };
  /** A process that ended was removed; `id` is an exec's, or the container's, or empty for the task itself. */
  "/tasks/delete": { containerId: string; id: string; pid: number; exitStatus: number; exitedAt?: Date };
  /** A process ended; `id` is an exec's, or the container's for the task itself. */
  "/tasks/exit": { containerId: string; id: string; pid: number; exitStatus: number; exitedAt?: Date };
  /** A task ran out of memory. */
  "/tasks/oom": { containerId: string };
  /** A further process was prepared. */
  "/tasks/exec-added": { containerId: string; execId: string };
  /** A further process was started. */
  "/tasks/exec-started": { containerId: string; execId: string; pid: number };
  /** A task was frozen. */
  "/tasks/paused": { containerId: string };
  /** A frozen task went on. */
  "/tasks/resumed": { containerId: string };
  /** A task was checkpointed. No daemon so far tells. */
  "/tasks/checkpointed": { containerId: string; checkpoint: string };
}

/** A topic this library knows. */
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
