import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { NamespaceCreateSchema, NamespaceDeleteSchema, NamespaceUpdateSchema } from "../../api/events/namespace_pb.js";
import type { Namespaces } from "../../api/services/namespaces/v1/namespace_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { AlreadyExistsError, FailedPreconditionError, InvalidArgumentError, NotFoundError } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { packAny } from "../../typeurl.js";
import type { Daemon } from "../daemon.js";
import { checkIdentifier } from "../identifiers.js";
import { labelLookup } from "../label-lookup.js";
import { checkedLabels, maskedMap } from "../label-masks.js";
import { recordKinds } from "../metadata/record-kinds.js";

/** Answers for containerd's namespaces. */
export function namespacesService(daemon: Daemon): ServiceImpl<typeof Namespaces> {
  // Whoever asks for one that is not there is told of one without labels.
  const labelsOf = (name: string): Labels => daemon.records(name, "namespaces").get(name)?.labels ?? {};
  const tell = <T extends DescMessage>(name: string, topic: string, schema: T, event: MessageInitShape<T>) =>
    daemon.publish(name, topic, packAny(schema, create(schema, event)));
  return {
    get: ({ name }) => ({ namespace: { name, labels: { ...labelsOf(name) } } }),

    list({ filter }) {
      const matches = parseFilters(filter === "" ? [] : [filter]);
      const all = daemon.namespaces().map((name) => ({ name, labels: { ...labelsOf(name) } }));
      return { namespaces: all.filter(({ name, labels }) => matches(labelLookup({ name }, labels))) };
    },

    create({ namespace }) {
      const name = namespace?.name ?? "";
      checkIdentifier(name);
      if (daemon.namespaces().includes(name)) {
        throw new AlreadyExistsError(`namespace ${JSON.stringify(name)}: already exists`);
      }
      const labels = checkedLabels(namespace?.labels ?? {}, "namespace.Labels");
      daemon.records(name, "namespaces").set(name, { labels });
      tell(name, "/namespaces/create", NamespaceCreateSchema, { name, labels });
      return { namespace: { name, labels } };
    },

    update({ namespace, updateMask }) {
      const name = namespace?.name ?? "";
      const given = namespace?.labels ?? {};
      let labels = labelsOf(name);
      for (const path of updateMask?.paths ?? Object.keys(given).map((key) => `labels.${key}`)) {
        const masked = maskedMap(labels, given, path, "labels");
        if (masked === undefined) {
          throw new InvalidArgumentError(`cannot update ${JSON.stringify(path)} field: invalid argument`);
        }
        labels = masked;
      }
      labels = checkedLabels(labels, "namespace.Labels");
      daemon.records(name, "namespaces").set(name, { labels });
      tell(name, "/namespaces/update", NamespaceUpdateSchema, { name, labels: { ...labels } });
      return { namespace: { name, labels: { ...labels } } };
    },

    delete({ name }) {
      if (!daemon.namespaces().includes(name)) throw notFound(name);
      const kept = contentsOf(daemon, name);
      if (kept.length > 0) {
        throw new FailedPreconditionError(
          `namespace ${JSON.stringify(name)} must be empty, but it still has ${kept.join(", ")}: failed precondition`,
        );
      }
      for (const kind of recordKinds) {
        const records = daemon.records(name, kind);
        for (const [key] of records.entries()) records.delete(key);
      }
      tell(name, "/namespaces/delete", NamespaceDeleteSchema, { name });
      return {};
    },
  };
}

function notFound(name: string): NotFoundError {
  return new NotFoundError(`namespace ${JSON.stringify(name)}: not found`);
}

/** What keeps a namespace from being deleted; leases and ingests do not. */
function contentsOf(daemon: Daemon, name: string): string[] {
  const isThere = (kind: "images" | "content" | "containers") => [...daemon.records(name, kind).entries()].length > 0;
  const snapshotters = [...daemon.records(name, "snapshots").entries()].map(([, { snapshotter }]) => snapshotter);
  return [
    ...(isThere("images") ? ["images"] : []),
    ...(isThere("content") ? ["blobs"] : []),
    ...(isThere("containers") ? ["containers"] : []),
    ...[...new Set(snapshotters)].map((one) => `snapshots on ${JSON.stringify(one)} snapshotter`),
  ];
}
