import { randomBytes } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Leases } from "../../api/services/leases/v1/leases_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { AlreadyExistsError, InvalidArgumentError, NotFoundError, NotImplementedError } from "../../errors.js";
import { parseDigest } from "../../oci/digest.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { callContext } from "../context.js";
import type { Daemon, Resource } from "../daemon.js";
import { labelLookup } from "../label-lookup.js";
import { checkedLabels } from "../label-masks.js";
import type { LeaseRecord } from "../metadata/record-kinds.js";
import { LeaseHolds } from "./lease-holds.js";

/** Answers for containerd's leases. */
export function leasesService(daemon: Daemon): ServiceImpl<typeof Leases> {
  return {
    create(request, context) {
      const { namespace } = callContext(context);
      const id = request.id === "" ? randomId() : request.id;
      const leases = daemon.records(namespace, "leases");
      if (leases.has(id)) throw new AlreadyExistsError(`lease ${JSON.stringify(id)}: already exists`);
      const lease = { labels: checkedLabels(request.labels, "lease.Labels"), createdAt: new Date() };
      leases.set(id, lease);
      return { lease: leaseInit(id, lease) };
    },

    async delete({ id, sync }, context) {
      const { namespace } = callContext(context);
      const leases = daemon.records(namespace, "leases");
      requireLease(leases, id);
      new LeaseHolds(daemon, namespace).clear(id);
      leases.delete(id);
      if (sync) await daemon.collect();
      return {};
    },

    list({ filters }, context) {
      const { namespace } = callContext(context);
      const matches = parseFilters(filters);
      const all = [...daemon.records(namespace, "leases").entries()];
      return {
        leases: all
          .filter(([id, { labels }]) => matches(labelLookup({ id }, labels)))
          .map(([id, lease]) => leaseInit(id, lease)),
      };
    },

    addResource({ id, resource }, context) {
      const { namespace } = callContext(context);
      requireLease(daemon.records(namespace, "leases"), id);
      new LeaseHolds(daemon, namespace).add(id, checkedResource(resource));
      return {};
    },

    deleteResource({ id, resource }, context) {
      const { namespace } = callContext(context);
      requireLease(daemon.records(namespace, "leases"), id);
      new LeaseHolds(daemon, namespace).delete(id, checkedResource(resource));
      return {};
    },

    listResources({ id }, context) {
      const { namespace } = callContext(context);
      requireLease(daemon.records(namespace, "leases"), id);
      return { resources: new LeaseHolds(daemon, namespace).of(id) };
    },
  };
}

function leaseInit(id: string, { labels, createdAt }: LeaseRecord) {
  return { id, labels: { ...labels }, createdAt: timestampFromDate(createdAt) };
}

function requireLease(leases: { has(id: string): boolean }, id: string): void {
  if (!leases.has(id)) throw new NotFoundError(`lease ${JSON.stringify(id)}: not found`);
}

function checkedResource({ type, id }: Resource = { type: "", id: "" }): Resource {
  const [kind = "", snapshotter, ...more] = type.split("/");
  switch (kind) {
    case "content":
      if (snapshotter === undefined) parseDigest(id);
      break;
    case "ingests":
    case "images":
      break;
    case "snapshots":
      if (snapshotter === undefined || more.length > 0) {
        throw new InvalidArgumentError(`invalid snapshot resource type ${type}: invalid argument`);
      }
      return { type, id };
    default:
      throw new NotImplementedError(`resource type ${type} not supported yet: not implemented`);
  }
  if (snapshotter !== undefined) {
    throw new InvalidArgumentError(`invalid resource type ${type}: invalid argument`);
  }
  return { type, id };
}

/** As containerd makes them: a part of the time, and some chance. */
function randomId(): string {
  return `${process.hrtime.bigint() % 1_000_000_000n}-${randomBytes(3).toString("base64url")}`;
}
