import type { Mount } from "../../api/types/mount_pb.js";
import { applyLabels } from "../../content/labels.js";
import {
  AlreadyExistsError,
  FailedPreconditionError,
  InvalidArgumentError,
  NotFoundError,
  UnknownError,
} from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import type { Daemon, Records } from "../daemon.js";
import { LeaseHolds } from "../leases/lease-holds.js";
import type { SnapshotRecord } from "../metadata/record-kinds.js";
import type { Volumes } from "./volumes.js";

/** What tells clients that make the same snapshot at once that it is made already. */
const TARGET_LABEL = "containerd.io/snapshot.ref";

/** What a snapshotter needs of the daemon. */
export type SnapshotterHost = Pick<Daemon, "records" | "hold">;

/** Snapshots by name: filesystems that stand on each other, apart by namespace. */
export class Snapshotter {
  /** The name it answers to. */
  readonly name: string;
  readonly #daemon: SnapshotterHost;
  readonly #volumes: Volumes;
  /** Volumes that are being made, by id. */
  readonly #making = new Map<string, Promise<void>>();

  constructor(name: string, daemon: SnapshotterHost, volumes: Volumes) {
    this.name = name;
    this.#daemon = daemon;
    this.#volumes = volumes;
  }

  /** The snapshot of that key. */
  stat(namespace: string, key: string): SnapshotRecord | undefined {
    return this.#records(namespace).get(this.#recordKey(key));
  }

  /** All snapshots of a namespace. */
  list(namespace: string): Iterable<SnapshotRecord> {
    return [...this.#records(namespace).entries()]
      .map(([, record]) => record)
      .filter(({ snapshotter }) => snapshotter === this.name);
  }

  /** Makes a snapshot to write to. */
  prepare(namespace: string, key: string, parent: string, labels: Labels, lease?: string): Promise<Mount[]> {
    return this.#make(namespace, { key, parent, kind: "active", labels }, lease);
  }

  /** Makes a snapshot to look at. */
  view(namespace: string, key: string, parent: string, labels: Labels, lease?: string): Promise<Mount[]> {
    return this.#make(namespace, { key, parent, kind: "view", labels }, lease);
  }

  /** What to mount to see a snapshot's files. */
  async mounts(namespace: string, key: string): Promise<Mount[]> {
    const { kind, id } = this.require(namespace, key);
    if (kind === "committed") {
      throw new FailedPreconditionError(
        `failed to get active mount: requested snapshot ${key} not active or view: failed precondition`,
      );
    }
    await this.#making.get(id);
    return [this.#volumes.mount(id, kind === "view" ? "ro" : "rw")];
  }

  /** Makes a snapshot that others can stand on of one that was written to. */
  async commit(namespace: string, name: string, key: string, labels: Labels, lease?: string): Promise<void> {
    checkKey(name);
    const { id } = this.#active(namespace, key);
    await this.#making.get(id);
    const active = this.#active(namespace, key);
    this.#refuseTaken(namespace, name);
    const now = new Date();
    const committed = {
      kind: "committed",
      key: name,
      labels: applyLabels({}, labels),
      createdAt: now,
      updatedAt: now,
    } as const;
    this.#daemon.hold(namespace, lease, this.#resource(name));
    this.#records(namespace).set(this.#recordKey(name), { ...active, ...committed });
    this.#records(namespace).delete(this.#recordKey(key));
    this.#release(namespace, lease, key);
  }

  /** Removes a snapshot without children, its record at once. */
  async remove(namespace: string, key: string, lease?: string): Promise<void> {
    const { id, kind, parent } = this.require(namespace, key);
    for (const other of this.list(namespace)) {
      if (other.parent === key)
        throw new FailedPreconditionError("cannot remove snapshot with child: failed precondition");
    }
    this.#records(namespace).delete(this.#recordKey(key));
    this.#release(namespace, lease, key);
    if (!hasVolume(kind, parent)) return;
    // A commit that could not forget the snapshot it was made of has left both with the same files.
    for (const other of this.list(namespace)) if (other.id === id && other.kind !== "view") return;
    await this.#making.get(id)?.catch(() => {});
    await this.#volumes.remove(id);
  }

  /** Replaces labels. */
  setLabels(namespace: string, key: string, labels: Labels): SnapshotRecord {
    const record = { ...this.require(namespace, key), labels, updatedAt: new Date() };
    this.#records(namespace).set(this.#recordKey(key), record);
    return record;
  }

  /** @throws {NotFoundError} when there is none of that key */
  require(namespace: string, key: string): SnapshotRecord {
    const record = this.stat(namespace, key);
    if (record === undefined) throw new NotFoundError(`snapshot ${key} does not exist: not found`);
    return record;
  }

  async #make(
    namespace: string,
    {
      key,
      parent,
      kind,
      labels,
    }: Pick<SnapshotRecord, "key" | "parent" | "labels"> & { readonly kind: "active" | "view" },
    lease: string | undefined,
  ): Promise<Mount[]> {
    checkKey(key);
    const checked = applyLabels({}, labels);
    const target = checked[TARGET_LABEL];
    if (target !== undefined && this.stat(namespace, target) !== undefined) {
      throw new AlreadyExistsError(`target snapshot ${JSON.stringify(target)}: already exists`);
    }
    this.#refuseTaken(namespace, key);
    const below = parent === "" ? undefined : this.#parent(namespace, parent);
    const id = below !== undefined && !hasVolume(kind, parent) ? below.id : crypto.randomUUID();
    const now = new Date();
    const record = { snapshotter: this.name, key, parent, kind, id, labels: checked, createdAt: now, updatedAt: now };
    this.#daemon.hold(namespace, lease, this.#resource(key));
    // Before its files are there, so that its name is taken and nobody removes what it stands on.
    this.#records(namespace).set(this.#recordKey(key), record);
    if (hasVolume(kind, parent)) await this.#makeVolume(namespace, record, below?.id, lease);
    return [this.#volumes.mount(id, kind === "view" ? "ro" : "rw")];
  }

  async #makeVolume(
    namespace: string,
    { id, key }: SnapshotRecord,
    parent: string | undefined,
    lease: string | undefined,
  ): Promise<void> {
    const making = this.#volumes.create(id, parent);
    this.#making.set(id, making);
    try {
      await making;
    } catch (reason) {
      this.#records(namespace).delete(this.#recordKey(key));
      this.#release(namespace, lease, key);
      throw reason;
    } finally {
      this.#making.delete(id);
    }
  }

  #parent(namespace: string, name: string): SnapshotRecord {
    const record = this.stat(namespace, name);
    if (record === undefined) throw new NotFoundError(`parent snapshot ${name} does not exist: not found`);
    if (record.kind === "committed") return record;
    throw new InvalidArgumentError(
      `failed to create snapshot: parent ${JSON.stringify(name)} is not committed snapshot: invalid argument`,
    );
  }

  #active(namespace: string, key: string): SnapshotRecord {
    const record = this.require(namespace, key);
    if (record.kind === "active") return record;
    throw new FailedPreconditionError(
      `failed to commit snapshot: snapshot ${JSON.stringify(key)} is not active: failed precondition`,
    );
  }

  #refuseTaken(namespace: string, key: string): void {
    if (this.stat(namespace, key) === undefined) return;
    throw new AlreadyExistsError(`snapshot ${JSON.stringify(key)}: already exists`);
  }

  #records(namespace: string): Records<SnapshotRecord> {
    return this.#daemon.records(namespace, "snapshots");
  }

  #recordKey(key: string): string {
    return `${this.name}/${key}`;
  }

  #resource(key: string): { readonly type: string; readonly id: string } {
    return { type: `snapshots/${this.name}`, id: key };
  }

  #release(namespace: string, lease: string | undefined, key: string): void {
    if (lease !== undefined) new LeaseHolds(this.#daemon, namespace).delete(lease, this.#resource(key));
  }
}

/** A view of a snapshot shows that one's files, and has none of its own. */
function hasVolume(kind: SnapshotRecord["kind"], parent: string): boolean {
  return kind !== "view" || parent === "";
}

function checkKey(key: string): void {
  if (key === "") throw new UnknownError("key required");
}
