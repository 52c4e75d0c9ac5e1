import { create } from "@bufbuild/protobuf";
import { ImageDeleteSchema } from "../../api/events/image_pb.js";
import { SnapshotRemoveSchema } from "../../api/events/snapshot_pb.js";
import { packAny } from "../../typeurl.js";
import type { Bytes } from "../content/bytes.js";
import type { Daemon } from "../daemon.js";
import { LeaseHolds } from "../leases/lease-holds.js";
import type { SnapshotRecord } from "../metadata/record-kinds.js";
import { nodeKey } from "./graph.js";
import { mark } from "./mark.js";

type Source = Pick<Daemon, "records" | "namespaces" | "publish" | "snapshotters">;

/** Removes what nothing leads to. What is to be removed is found and forgotten at once; files go after that. */
export async function collectGarbage(daemon: Source, bytes: Bytes): Promise<void> {
  const now = new Date();
  const removals = daemon.namespaces().flatMap((namespace) => sweep(daemon, namespace, mark(daemon, namespace, now)));
  removeBytes(daemon, bytes);
  await Promise.all(removals);
}

function sweep(daemon: Source, namespace: string, marked: ReadonlySet<string>): Promise<void>[] {
  const leases = daemon.records(namespace, "leases");
  const images = daemon.records(namespace, "images");
  for (const kind of ["content", "ingests"] as const) {
    const records = daemon.records(namespace, kind);
    for (const [id] of records.entries()) if (!marked.has(nodeKey({ type: kind, id }))) records.delete(id);
  }
  for (const [id] of leases.entries()) {
    if (marked.has(nodeKey({ type: "leases", id }))) continue;
    new LeaseHolds(daemon, namespace).clear(id);
    leases.delete(id);
  }
  for (const [name] of images.entries()) {
    if (marked.has(nodeKey({ type: "images", id: name }))) continue;
    images.delete(name);
    daemon.publish(namespace, "/images/delete", packAny(ImageDeleteSchema, create(ImageDeleteSchema, { name })));
  }
  return sweepSnapshots(daemon, namespace, marked);
}

function sweepSnapshots(daemon: Source, namespace: string, marked: ReadonlySet<string>): Promise<void>[] {
  const records = daemon.records(namespace, "snapshots");
  const garbage = [...records.entries()]
    .map(([, record]) => record)
    .filter(({ snapshotter, key }) => !marked.has(nodeKey({ type: `snapshots/${snapshotter}`, id: key })));
  return childrenFirst(garbage).map(async ({ snapshotter, key }) => {
    // Where the snapshotter is gone, only the record is left to forget.
    const removal = daemon.snapshotters.get(snapshotter)?.remove(namespace, key);
    if (removal === undefined) records.delete(`${snapshotter}/${key}`);
    const event = packAny(SnapshotRemoveSchema, create(SnapshotRemoveSchema, { key, snapshotter }));
    await removal;
    daemon.publish(namespace, "/snapshot/remove", event);
  });
}

/** What is kept keeps its parents: all children of garbage are garbage. */
function childrenFirst(snapshots: readonly SnapshotRecord[]): SnapshotRecord[] {
  const byKey = new Map(snapshots.map((one) => [`${one.snapshotter}/${one.key}`, one]));
  const depths = new Map<SnapshotRecord, number>();
  const depth = (one: SnapshotRecord): number => {
    const known = depths.get(one);
    if (known !== undefined) return known;
    const parent = byKey.get(`${one.snapshotter}/${one.parent}`);
    const found = parent === undefined ? 0 : depth(parent) + 1;
    depths.set(one, found);
    return found;
  };
  return [...snapshots].sort((one, other) => depth(other) - depth(one));
}

/** Bytes are shared by all namespaces: they go when none has them, and no ingest counts on them. */
function removeBytes(daemon: Source, bytes: Bytes): void {
  const digests = new Set<string>();
  const ingests = new Set<string>();
  for (const namespace of daemon.namespaces()) {
    for (const [digest] of daemon.records(namespace, "content").entries()) digests.add(digest);
    for (const [, { id, expected, shared }] of daemon.records(namespace, "ingests").entries()) {
      ingests.add(id);
      if (shared && expected !== undefined) digests.add(expected);
    }
  }
  for (const digest of bytes.digests()) if (!digests.has(digest)) bytes.remove(digest);
  for (const id of bytes.ingests()) if (!ingests.has(id)) bytes.drop(id);
}
