import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SnapshotCommitSchema, SnapshotPrepareSchema, SnapshotRemoveSchema } from "../../api/events/snapshot_pb.js";
import { type Info, type InfoSchema, Kind, type Snapshots } from "../../api/services/snapshots/v1/snapshots_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { applyLabels } from "../../content/labels.js";
import { InvalidArgumentError } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { packAny } from "../../typeurl.js";
import { callContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import { labelLookup } from "../label-lookup.js";
import type { SnapshotRecord } from "../metadata/record-kinds.js";
import type { Snapshotter } from "./snapshotter.js";
import type { Snapshotters } from "./snapshotters.js";
import { usageOf } from "./usage.js";

const PAGE = 100;
const kinds = { view: Kind.VIEW, active: Kind.ACTIVE, committed: Kind.COMMITTED } as const;

/** Answers for containerd's snapshots. */
export function snapshotsService(daemon: Daemon, snapshotters: Snapshotters): ServiceImpl<typeof Snapshots> {
  const named = (name: string): Snapshotter => {
    if (name === "") throw new InvalidArgumentError("snapshotter argument missing: invalid argument");
    const snapshotter = snapshotters.byName.get(name);
    if (snapshotter !== undefined) return snapshotter;
    throw new InvalidArgumentError(`snapshotter not loaded: ${name}: invalid argument`);
  };
  const tell = <T extends DescMessage>(namespace: string, topic: string, schema: T, event: MessageInitShape<T>) =>
    daemon.publish(namespace, topic, packAny(schema, create(schema, event)));
  return {
    async prepare({ snapshotter, key, parent, labels }, context) {
      const { namespace, lease } = callContext(context);
      const mounts = await named(snapshotter).prepare(namespace, key, parent, labels, lease);
      tell(namespace, "/snapshot/prepare", SnapshotPrepareSchema, { key, parent, snapshotter });
      return { mounts };
    },

    async view({ snapshotter, key, parent, labels }, context) {
      const { namespace, lease } = callContext(context);
      return { mounts: await named(snapshotter).view(namespace, key, parent, labels, lease) };
    },

    async mounts({ snapshotter, key }, context) {
      const { namespace } = callContext(context);
      return { mounts: await named(snapshotter).mounts(namespace, key) };
    },

    async commit({ snapshotter, name, key, labels }, context) {
      const { namespace, lease } = callContext(context);
      await named(snapshotter).commit(namespace, name, key, labels, lease);
      tell(namespace, "/snapshot/commit", SnapshotCommitSchema, { key, name, snapshotter });
      return {};
    },

    async remove({ snapshotter, key }, context) {
      const { namespace, lease } = callContext(context);
      await named(snapshotter).remove(namespace, key, lease);
      tell(namespace, "/snapshot/remove", SnapshotRemoveSchema, { key, snapshotter });
      return {};
    },

    stat({ snapshotter, key }, context) {
      const { namespace } = callContext(context);
      return { info: infoInit(named(snapshotter).require(namespace, key)) };
    },

    update({ snapshotter, info, updateMask }, context) {
      const { namespace } = callContext(context);
      if (info === undefined) throw new InvalidArgumentError("info must be set: invalid argument");
      const { labels } = named(snapshotter).require(namespace, info.name);
      const changed = updatedLabels(labels, info, updateMask?.paths ?? []);
      return { info: infoInit(named(snapshotter).setLabels(namespace, info.name, changed)) };
    },

    async *list({ snapshotter, filters }, context) {
      const { namespace } = callContext(context);
      const matches = parseFilters(filters);
      const found = [...named(snapshotter).list(namespace)].filter((record) => matches(lookup(record)));
      for (let at = 0; at < found.length; at += PAGE) yield { info: found.slice(at, at + PAGE).map(infoInit) };
    },

    async usage({ snapshotter, key }, context) {
      const { namespace } = callContext(context);
      const { kind, parent, ...record } = named(snapshotter).require(namespace, key);
      if (kind === "view") return { size: 0n, inodes: 0n };
      const below = parent === "" ? undefined : named(snapshotter).require(namespace, parent);
      const lower = below === undefined ? await snapshotters.filesystem([]) : await snapshotters.open(below);
      const { size, inodes } = await usageOf(lower, await snapshotters.open(record));
      return { size: BigInt(size), inodes: BigInt(inodes) };
    },

    async cleanup({ snapshotter }, context) {
      callContext(context);
      named(snapshotter);
      await snapshotters.clean();
      return {};
    },
  };
}

function updatedLabels(labels: Labels, info: Info, paths: readonly string[]): Labels {
  if (paths.length === 0) return applyLabels({}, info.labels);
  let changed = labels;
  for (const path of paths) {
    if (path === "labels") {
      changed = applyLabels({}, info.labels);
      continue;
    }
    if (!path.startsWith("labels.")) {
      throw new InvalidArgumentError(
        `cannot update ${JSON.stringify(path)} field on snapshot ${JSON.stringify(info.name)}: invalid argument`,
      );
    }
    const key = path.slice("labels.".length);
    changed = applyLabels(changed, { [key]: info.labels[key] ?? null });
  }
  return changed;
}

function lookup({ key, parent, kind, labels }: SnapshotRecord): ReturnType<typeof labelLookup> {
  return labelLookup({ name: key, parent, kind }, labels);
}

function infoInit({
  key,
  parent,
  kind,
  labels,
  createdAt,
  updatedAt,
}: SnapshotRecord): MessageInitShape<typeof InfoSchema> {
  return {
    name: key,
    parent,
    kind: kinds[kind],
    labels: { ...labels },
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  };
}
