import type { Any } from "@bufbuild/protobuf/wkt";
import type { Mount } from "../api/types/mount_pb.js";
import type { Store } from "../content/store.js";
import type { Tree } from "../tree/tree.js";
import type { RecordKinds } from "./metadata/record-kinds.js";
import type { Snapshotter } from "./snapshots/snapshotter.js";

/**
 * Records of one kind in one namespace. What changes them returns when the change is on disk, where there is one; between two
 * `await` everything that is looked at and changed is one transaction for all in this process.
 */
export interface Records<T> {
  get(key: string): T | undefined;
  has(key: string): boolean;
  /** Sorted by key, and not disturbed by changes made meanwhile. */
  entries(): Iterable<readonly [string, T]>;
  /** Makes or replaces a record; the namespace comes to be with its first one. */
  set(key: string, value: T): void;
  /** Whether there was one. */
  delete(key: string): boolean;
}

/** What a lease can hold. */
export interface Resource {
  /** `content`, `ingests`, `images` or `snapshots/<snapshotter>`. */
  readonly type: string;
  readonly id: string;
}

/** What the services of the embedded containerd share. */
export interface Daemon {
  /** Where everything is kept; undefined: in memory. */
  readonly root: string | undefined;
  /** A directory for fifos, bundles and dumps, only for this user; made when it is first asked for, gone after the end. */
  readonly state: string;
  /** Aborted when the daemon ends. */
  readonly signal: AbortSignal;
  /** The namespaces there are, sorted. */
  namespaces(): readonly string[];
  records<K extends keyof RecordKinds>(namespace: string, kind: K): Records<RecordKinds[K]>;
  /** The content of a namespace; the lease of a call is honoured, and must exist. */
  content(namespace: string): Store;
  /** Tells those who listen. Only after what it tells of is done. */
  publish(namespace: string, topic: string, payload: Any): void;
  /**
   * Puts something under a lease; does nothing without one.
   *
   * @throws {NotFoundError} when there is no such lease: so call it before anything is made
   */
  hold(namespace: string, lease: string | undefined, resource: Resource): void;
  /** Collects garbage, now. */
  collect(): Promise<void>;
  /** By name. */
  readonly snapshotters: ReadonlyMap<string, Snapshotter>;
  /** The files behind mounts that a snapshotter handed out. */
  filesystem(mounts: readonly Mount[]): Promise<Tree>;
}
