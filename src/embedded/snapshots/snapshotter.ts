import type { Mount } from "../../api/types/mount_pb.js";
import type { Labels } from "../../oci/descriptor.js";
import type { SnapshotRecord } from "../metadata/record-kinds.js";

/** What the other services and the garbage collector ask of a snapshotter. */
export interface Snapshotter {
  /** The name it answers to. */
  readonly name: string;
  /** The snapshot of that key. */
  stat(namespace: string, key: string): SnapshotRecord | undefined;
  /** All snapshots of a namespace. */
  list(namespace: string): Iterable<SnapshotRecord>;
  /** Makes a snapshot to write to. */
  prepare(namespace: string, key: string, parent: string, labels: Labels): Promise<Mount[]>;
  /** What to mount to see a snapshot's files. */
  mounts(namespace: string, key: string): Promise<Mount[]>;
  /** Removes a snapshot without children, its record at once. */
  remove(namespace: string, key: string): Promise<void>;
}
