import { type Info, Kind, Snapshots as SnapshotsService } from "../api/services/snapshots/v1/snapshots_pb.js";
import type { CallOptions } from "../call-options.js";
import type { Labels } from "../oci/descriptor.js";
import { type Mount, mountOf } from "./mount.js";
import type { Services } from "./services.js";
import { labelChanges, mapOf, present, recordedAt, safeNumber } from "./wire.js";

/**
 * What a snapshot is good for: `committed` ones can be stood on, `active` ones are written to, `view`s are read.
 *
 * @inline
 */
export type SnapshotKind = "unknown" | "view" | "active" | "committed";

/**
 * A snapshot's record.
 *
 * @inline
 */
export interface SnapshotInfo {
  /** Name of a committed snapshot, key of another. */
  readonly name: string;
  /** The snapshot it stands on. */
  readonly parent?: string;
  /** What it is good for. */
  readonly kind: SnapshotKind;
  /** The snapshot's labels. */
  readonly labels: Labels;
  /** When it was made. */
  readonly createdAt: Date;
  /** When its labels last changed. */
  readonly updatedAt: Date;
}

/**
 * The space a snapshot takes by itself, without what it stands on.
 *
 * @inline
 */
export interface SnapshotUsage {
  /** Bytes on disk. */
  readonly size: number;
  /** Number of inodes. */
  readonly inodes: number;
}

/**
 * How a new snapshot is made.
 *
 * @inline
 */
export interface NewSnapshotOptions extends CallOptions {
  /** Labels of the new snapshot. */
  readonly labels?: Labels | undefined;
}

const kinds: { readonly [K in Kind]: SnapshotKind } = {
  [Kind.UNKNOWN]: "unknown",
  [Kind.VIEW]: "view",
  [Kind.ACTIVE]: "active",
  [Kind.COMMITTED]: "committed",
};

/** The snapshots of one snapshotter in one namespace: filesystems that stand on each other. */
export class Snapshots {
  /** The snapshotter's name. */
  readonly snapshotter: string;
  readonly #services: Services;

  /** @internal */
  constructor(services: Services, snapshotter: string) {
    this.#services = services;
    this.snapshotter = snapshotter;
  }

  /**
   * Reads a snapshot's record.
   *
   * @throws {NotFoundError} when there is none of that name or key
   */
  async stat(key: string, call: CallOptions = {}): Promise<SnapshotInfo> {
    const { snapshotter } = this;
    const reply = await this.#services.rpc.unary(SnapshotsService.method.stat, { snapshotter, key }, call);
    return infoOf(present(reply.info, "a snapshot"));
  }

  /** Lists snapshots, all of them or those that match one of the filters. */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<SnapshotInfo, void, undefined> {
    const input = { snapshotter: this.snapshotter, filters: [...filters] };
    for await (const reply of this.#services.rpc.serverStream(SnapshotsService.method.list, input, call)) {
      for (const info of reply.info) yield infoOf(info);
    }
  }

  /**
   * Measures the space a snapshot takes by itself.
   *
   * @throws {NotFoundError} when there is none of that name or key
   */
  async usage(key: string, call: CallOptions = {}): Promise<SnapshotUsage> {
    const { snapshotter } = this;
    const reply = await this.#services.rpc.unary(SnapshotsService.method.usage, { snapshotter, key }, call);
    return { size: safeNumber(reply.size, "a size"), inodes: safeNumber(reply.inodes, "a number of inodes") };
  }

  /**
   * Tells the mounts that make an active snapshot or a view visible on the daemon's host. They are not performed.
   *
   * @throws {NotFoundError} when there is none of that key
   */
  async mounts(key: string, call: CallOptions = {}): Promise<readonly Mount[]> {
    const { snapshotter } = this;
    const reply = await this.#services.rpc.unary(SnapshotsService.method.mounts, { snapshotter, key }, call);
    return reply.mounts.map(mountOf);
  }

  /**
   * Makes an active snapshot on a committed one, or on nothing when `parent` is empty.
   *
   * @throws {AlreadyExistsError} when the key is taken
   * @throws {NotFoundError} when there is no such parent
   */
  async prepare(key: string, parent: string, options: NewSnapshotOptions = {}): Promise<readonly Mount[]> {
    const input = { snapshotter: this.snapshotter, key, parent, labels: { ...options.labels } };
    const reply = await this.#services.rpc.unary(SnapshotsService.method.prepare, input, options);
    return reply.mounts.map(mountOf);
  }

  /**
   * Makes a read-only view of a committed snapshot.
   *
   * @throws {AlreadyExistsError} when the key is taken
   * @throws {NotFoundError} when there is no such parent
   */
  async view(key: string, parent: string, options: NewSnapshotOptions = {}): Promise<readonly Mount[]> {
    const input = { snapshotter: this.snapshotter, key, parent, labels: { ...options.labels } };
    const reply = await this.#services.rpc.unary(SnapshotsService.method.view, input, options);
    return reply.mounts.map(mountOf);
  }

  /**
   * Turns the active snapshot `key` into the committed one `name`; the key is free again.
   *
   * @throws {AlreadyExistsError} when the name is taken
   * @throws {NotFoundError} when there is no active snapshot of that key
   */
  async commit(name: string, key: string, options: NewSnapshotOptions = {}): Promise<void> {
    const input = { snapshotter: this.snapshotter, name, key, labels: { ...options.labels } };
    await this.#services.rpc.unary(SnapshotsService.method.commit, input, options);
  }

  /**
   * Removes a snapshot.
   *
   * @throws {NotFoundError} when there is none of that name or key
   * @throws {FailedPreconditionError} when others stand on it
   */
  async remove(key: string, call: CallOptions = {}): Promise<void> {
    await this.#services.rpc.unary(SnapshotsService.method.remove, { snapshotter: this.snapshotter, key }, call);
  }

  /**
   * Sets labels of a snapshot; `null` deletes one, all others stay.
   *
   * @throws {NotFoundError} when there is none of that name or key
   */
  async setLabels(
    key: string,
    changes: Readonly<Record<string, string | null>>,
    call: CallOptions = {},
  ): Promise<SnapshotInfo> {
    const { labels, paths } = labelChanges(changes);
    if (paths.length === 0) return this.stat(key, call);
    const input = { snapshotter: this.snapshotter, info: { name: key, labels }, updateMask: { paths } };
    const reply = await this.#services.rpc.unary(SnapshotsService.method.update, input, call);
    return infoOf(present(reply.info, "a snapshot"));
  }
}

function infoOf(info: Info): SnapshotInfo {
  return {
    name: info.name,
    ...(info.parent === "" ? {} : { parent: info.parent }),
    kind: kinds[info.kind] ?? "unknown",
    labels: mapOf(info.labels),
    createdAt: recordedAt(info.createdAt),
    updatedAt: recordedAt(info.updatedAt),
  };
}
