import type { Daemon, Resource } from "../daemon.js";
import { LeaseHolds } from "../leases/lease-holds.js";
import { isExpired, isFlat, isRoot, references } from "./gc-labels.js";

/** Something in a namespace that is collected or keeps others from being so. */
export interface Node extends Resource {
  /** What its labels refer to does not count. */
  readonly flat?: boolean;
}

type Source = Pick<Daemon, "records">;

/** What nobody need refer to. */
export function roots(daemon: Source, namespace: string, now: Date): Node[] {
  const of = <T>(records: { entries(): Iterable<readonly [string, T]> }) => [...records.entries()];
  const leases = new Map(of(daemon.records(namespace, "leases")).filter(([, { labels }]) => !isExpired(labels, now)));
  return [
    ...[...leases.keys()].map((id) => ({ type: "leases", id })),
    ...new LeaseHolds(daemon, namespace).all().flatMap(({ lease, type, id }) => {
      const holder = leases.get(lease);
      return holder === undefined ? [] : [{ type, id, flat: isFlat(holder.labels) }];
    }),
    ...of(daemon.records(namespace, "images"))
      .filter(([, { labels }]) => !isExpired(labels, now))
      .map(([id]) => ({ type: "images", id })),
    ...of(daemon.records(namespace, "containers")).map(([id]) => ({ type: "containers", id })),
    ...of(daemon.records(namespace, "content"))
      .filter(([, { labels }]) => isRoot(labels))
      .map(([id]) => ({ type: "content", id })),
    ...of(daemon.records(namespace, "snapshots"))
      .filter(([, { labels }]) => isRoot(labels))
      .map(([, { snapshotter, key }]) => ({ type: `snapshots/${snapshotter}`, id: key })),
    ...of(daemon.records(namespace, "ingests"))
      .filter(([, { expiresAt }]) => expiresAt !== undefined && expiresAt > now)
      .map(([id]) => ({ type: "ingests", id })),
  ];
}

/** What something refers to; nothing when it is not there. */
export function referred(daemon: Source, namespace: string, { type, id, flat = false }: Node): Node[] {
  const labelled = (labels: Readonly<Record<string, string>>): Node[] => (flat ? [] : references(labels));
  switch (type) {
    case "content":
      return labelled(daemon.records(namespace, "content").get(id)?.labels ?? {});
    case "images": {
      const image = daemon.records(namespace, "images").get(id);
      return image === undefined ? [] : [{ type: "content", id: image.target.digest, flat }, ...labelled(image.labels)];
    }
    case "ingests": {
      const { expected, shared = false } = daemon.records(namespace, "ingests").get(id) ?? {};
      return shared && expected !== undefined ? [{ type: "content", id: expected }] : [];
    }
    case "containers": {
      const container = daemon.records(namespace, "containers").get(id);
      if (container === undefined) return [];
      const { snapshotter, snapshotKey, labels } = container;
      const snapshot = snapshotter === "" ? [] : [{ type: `snapshots/${snapshotter}`, id: snapshotKey }];
      return [...snapshot, ...labelled(labels)];
    }
    default: {
      if (!type.startsWith("snapshots/")) return [];
      const snapshot = daemon.records(namespace, "snapshots").get(`${type.slice("snapshots/".length)}/${id}`);
      if (snapshot === undefined) return [];
      return [...(snapshot.parent === "" ? [] : [{ type, id: snapshot.parent, flat }]), ...labelled(snapshot.labels)];
    }
  }
}

/** Tells one node from all others of its namespace. */
export function nodeKey({ type, id }: Resource): string {
  return `${type}\0${id}`;
}
