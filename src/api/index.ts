/**
 * The wire itself: containerd's messages and services, generated from the files in `proto/`.
 *
 * Message names repeat across services (`Info`, `Status`, `CreateRequest`), so each generated module is
 * one namespace: the services by their own name, the payloads of events by what they tell of (`taskEvents`), the shared types by
 * their file. Messages are plain objects for `create`, `toBinary` and `fromBinary` of `@bufbuild/protobuf`;
 * 64-bit integers are `bigint`.
 *
 * One schema serves all daemons: a field that a daemon does not know yet is ignored by it, and says so in its description.
 *
 * @example
 * ```ts
 * import { create } from "@bufbuild/protobuf";
 * import { runcOptions } from "containerd-client/api";
 *
 * const options = create(runcOptions.CheckpointOptionsSchema, { exit: true, openTcp: true });
 * ```
 *
 * @packageDocumentation
 */

export * as containerEvents from "./events/container_pb.js";
export * as contentEvents from "./events/content_pb.js";
export * as imageEvents from "./events/image_pb.js";
export * as namespaceEvents from "./events/namespace_pb.js";
export * as sandboxEvents from "./events/sandbox_pb.js";
export * as snapshotEvents from "./events/snapshot_pb.js";
export * as taskEvents from "./events/task_pb.js";
export * as rpcStatus from "./google/rpc/status_pb.js";
export * as containers from "./services/containers/v1/containers_pb.js";
export * as content from "./services/content/v1/content_pb.js";
export * as diff from "./services/diff/v1/diff_pb.js";
export * as events from "./services/events/v1/events_pb.js";
export * as images from "./services/images/v1/images_pb.js";
export * as introspection from "./services/introspection/v1/introspection_pb.js";
export * as leases from "./services/leases/v1/leases_pb.js";
export * as namespaces from "./services/namespaces/v1/namespace_pb.js";
export * as snapshots from "./services/snapshots/v1/snapshots_pb.js";
export * as tasks from "./services/tasks/v1/tasks_pb.js";
export * as version from "./services/version/v1/version_pb.js";
export * as descriptor from "./types/descriptor_pb.js";
export * as event from "./types/event_pb.js";
export * as runtime from "./types/introspection_pb.js";
export * as metrics from "./types/metrics_pb.js";
export * as mount from "./types/mount_pb.js";
export * as platform from "./types/platform_pb.js";
export * as runcOptions from "./types/runc/options/oci_pb.js";
export * as processes from "./types/task/task_pb.js";
