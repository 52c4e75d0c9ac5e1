import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { ContainerCreateSchema, ContainerDeleteSchema, ContainerUpdateSchema } from "../../api/events/container_pb.js";
import { type Container, ContainerSchema, type Containers } from "../../api/services/containers/v1/containers_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { AlreadyExistsError, InvalidArgumentError, NotFoundError } from "../../errors.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { packAny } from "../../typeurl.js";
import { callContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import { ownValue } from "../label-lookup.js";
import type { ContainerRecord } from "../metadata/record-kinds.js";
import { checkedContainer, containerInit, updatedContainer } from "./container-record.js";

/** Answers for containerd's containers. */
export function containersService(daemon: Daemon): ServiceImpl<typeof Containers> {
  const tell = <T extends DescMessage>(namespace: string, topic: string, schema: T, event: MessageInitShape<T>) =>
    daemon.publish(namespace, topic, packAny(schema, create(schema, event)));
  const listed = (namespace: string, filters: readonly string[]) => {
    const matches = parseFilters(filters);
    return [...daemon.records(namespace, "containers").entries()]
      .filter(([id, container]) => matches(lookup(id, container)))
      .map(([id, container]) => containerInit(id, container));
  };
  return {
    get({ id }, context) {
      const { namespace } = callContext(context);
      const container = daemon.records(namespace, "containers").get(id);
      if (container === undefined) {
        throw new NotFoundError(`container ${JSON.stringify(id)} in namespace ${JSON.stringify(namespace)}: not found`);
      }
      return { container: containerInit(id, container) };
    },

    list: ({ filters }, context) => ({ containers: listed(callContext(context).namespace, filters) }),

    async *listStream({ filters }, context) {
      for (const container of listed(callContext(context).namespace, filters)) yield { container };
    },

    create({ container }, context) {
      const { namespace } = callContext(context);
      const given = required(container);
      const { id } = given;
      const now = new Date();
      const record = { ...checkedContainer(given), createdAt: now, updatedAt: now };
      const containers = daemon.records(namespace, "containers");
      if (containers.has(id)) throw new AlreadyExistsError(`container ${JSON.stringify(id)}: already exists`);
      containers.set(id, record);
      const { image, runtime } = given;
      tell(namespace, "/containers/create", ContainerCreateSchema, {
        id,
        image,
        runtime: { name: record.runtime.name, ...(runtime?.options === undefined ? {} : { options: runtime.options }) },
      });
      return { container: containerInit(id, record) };
    },

    update({ container, updateMask }, context) {
      const { namespace } = callContext(context);
      const given = required(container);
      const { id } = given;
      if (id === "") throw new InvalidArgumentError("must specify a container id: invalid argument");
      const containers = daemon.records(namespace, "containers");
      const before = containers.get(id);
      if (before === undefined) throw new NotFoundError(`container ${JSON.stringify(id)}: not found`);
      const message = create(ContainerSchema, containerInit(id, before));
      const after = updatedContainer(message, given, updateMask?.paths ?? []);
      const record = { ...after, createdAt: before.createdAt, updatedAt: new Date() };
      containers.set(id, record);
      const { image, snapshotKey, labels } = record;
      tell(namespace, "/containers/update", ContainerUpdateSchema, { id, image, snapshotKey, labels: { ...labels } });
      return { container: containerInit(id, record) };
    },

    delete({ id }, context) {
      const { namespace } = callContext(context);
      if (!daemon.records(namespace, "containers").delete(id)) {
        throw new NotFoundError(`container ${id}: not found`);
      }
      tell(namespace, "/containers/delete", ContainerDeleteSchema, { id });
      return {};
    },
  };
}

function required(container: Container | undefined): Container {
  if (container === undefined) throw new InvalidArgumentError("container must be set: invalid argument");
  return container;
}

function lookup(id: string, { labels, image, runtime, snapshotter }: ContainerRecord) {
  return ([field = "", ...path]: readonly string[]): string | undefined => {
    switch (field) {
      case "id":
        return id;
      case "image":
        return image;
      case "snapshotter":
        return snapshotter;
      case "runtime":
        return path[0] === "name" ? runtime.name : undefined;
      case "labels":
        return ownValue(labels, path.join("."));
      default:
        return undefined;
    }
  };
}
