import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Container as ContainerMessage, ContainerSchema } from "../api/services/containers/v1/containers_pb.js";
import type { Labels } from "../oci/descriptor.js";
import { mapOf, recordedAt } from "./wire.js";

/**
 * Which runtime runs a container.
 *
 * @inline
 */
export interface ContainerRuntime {
  /** Name of the runtime, such as `io.containerd.runc.v2`. */
  readonly name: string;
  /** The runtime's own options. */
  readonly options?: Any;
}

/** What the daemon has recorded about a container. */
export interface ContainerRecord {
  /** The container's id. */
  readonly id: string;
  /** Name of the image it was made from; empty when none was named. */
  readonly image: string;
  /** Which runtime runs it. */
  readonly runtime: ContainerRuntime;
  /** The snapshotter of its root filesystem; empty when it has none. */
  readonly snapshotter: string;
  /** Key of the snapshot that is its root filesystem; empty when it has none. */
  readonly snapshotKey: string;
  /** The container's labels. */
  readonly labels: Labels;
  /** The OCI runtime spec, as JSON in an Any. */
  readonly spec?: Any;
  /** When it was made. */
  readonly createdAt: Date;
  /** When its record last changed. */
  readonly updatedAt: Date;
  /** Data of clients and plugins, by name. */
  readonly extensions: Readonly<Record<string, Any>>;
  /** The sandbox it belongs to. */
  readonly sandbox?: string;
}

/**
 * What a new container's record says; the daemon adds the times.
 *
 * @inline
 */
export interface NewContainerRecord {
  /** Letters and digits, with single dots, dashes and underscores between them; at most 76. */
  readonly id: string;
  /** Which runtime runs it. */
  readonly runtime: ContainerRuntime;
  /** The OCI runtime spec, as JSON in an Any. */
  readonly spec: Any;
  /** Name of the image it was made from. */
  readonly image?: string | undefined;
  /** The snapshotter of its root filesystem. */
  readonly snapshotter?: string | undefined;
  /** Key of the snapshot that is its root filesystem. */
  readonly snapshotKey?: string | undefined;
  /** The container's labels. */
  readonly labels?: Labels | undefined;
  /** Data of clients and plugins, by name. */
  readonly extensions?: Readonly<Record<string, Any>> | undefined;
  /** The sandbox it belongs to. Containerd before 1.7 ignores it. */
  readonly sandbox?: string | undefined;
}

/** A container of the wire as a record. */
export function containerRecord(message: ContainerMessage): ContainerRecord {
  const { runtime } = message;
  return {
    id: message.id,
    image: message.image,
    runtime: { name: runtime?.name ?? "", ...(runtime?.options === undefined ? {} : { options: runtime.options }) },
    snapshotter: message.snapshotter,
    snapshotKey: message.snapshotKey,
    labels: mapOf(message.labels),
    ...(message.spec === undefined ? {} : { spec: message.spec }),
    createdAt: recordedAt(message.createdAt),
    updatedAt: recordedAt(message.updatedAt),
    extensions: mapOf(message.extensions),
    ...(message.sandbox === "" ? {} : { sandbox: message.sandbox }),
  };
}

/** A new record as the wire takes it. */
export function containerInit(record: NewContainerRecord): MessageInitShape<typeof ContainerSchema> {
  return {
    id: record.id,
    image: record.image ?? "",
    runtime: {
      name: record.runtime.name,
      ...(record.runtime.options === undefined ? {} : { options: record.runtime.options }),
    },
    spec: record.spec,
    snapshotter: record.snapshotter ?? "",
    snapshotKey: record.snapshotKey ?? "",
    labels: { ...record.labels },
    extensions: { ...record.extensions },
    sandbox: record.sandbox ?? "",
  };
}
