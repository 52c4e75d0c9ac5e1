import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, AnySchema, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Container, ContainerSchema } from "../../api/services/containers/v1/containers_pb.js";
import { InvalidArgumentError } from "../../errors.js";
import { checkIdentifier } from "../identifiers.js";
import { checkedLabels, maskedMap } from "../label-masks.js";
import type { AnyRecord, ContainerRecord } from "../metadata/record-kinds.js";

type Undated = Omit<ContainerRecord, "createdAt" | "updatedAt">;

/** A container as the wire takes it. */
export function containerInit(id: string, container: ContainerRecord): MessageInitShape<typeof ContainerSchema> {
  const { labels, image, runtime, spec, snapshotter, snapshotKey, sandbox, extensions } = container;
  return {
    id,
    labels: { ...labels },
    image,
    runtime: { name: runtime.name, ...(runtime.options === undefined ? {} : { options: anyOf(runtime.options) }) },
    spec: anyOf(spec),
    snapshotter,
    snapshotKey,
    sandbox,
    extensions: Object.fromEntries(Object.entries(extensions).map(([key, any]) => [key, anyOf(any)])),
    createdAt: timestampFromDate(container.createdAt),
    updatedAt: timestampFromDate(container.updatedAt),
  };
}

/** @throws {InvalidArgumentError} when something that every container has is missing or malformed */
export function checkedContainer(given: Container, doing = "create container failed validation"): Undated {
  checkIdentifier(given.id, `${doing}: container.ID`);
  const { image, runtime, spec, snapshotter, snapshotKey, sandbox } = given;
  if (Object.hasOwn(given.extensions, "")) throw invalid(`${doing}: container.Extension keys must not be zero-length`);
  const labels = checkedLabels(given.labels, `${doing}: containers.Labels`);
  if (runtime === undefined || runtime.name === "") throw invalid(`${doing}: container.Runtime.Name must be set`);
  if (snapshotKey !== "" && snapshotter === "") {
    throw invalid(`${doing}: container.Snapshotter must be set if container.SnapshotKey is set`);
  }
  const extensions = Object.entries(given.extensions).map(([key, any]) => [key, recordOf(any)] as const);
  return {
    labels,
    image,
    runtime: { name: runtime.name, ...(runtime.options === undefined ? {} : { options: recordOf(runtime.options) }) },
    // A daemon takes a container without one; nothing can be run of it.
    spec: recordOf(spec ?? create(AnySchema)),
    snapshotter,
    snapshotKey,
    sandbox,
    extensions: Object.fromEntries(extensions),
  };
}

/**
 * A container after an update. Where no path is named, all that can change does.
 *
 * @throws {InvalidArgumentError} when it would change what cannot, or the outcome is no container
 */
export function updatedContainer(before: Container, given: Container, paths: readonly string[]): Undated {
  if (paths.length === 0) {
    if (before.snapshotter !== given.snapshotter) throw invalid("container.Snapshotter field is immutable");
    if (before.runtime?.name !== given.runtime?.name) throw invalid("container.Runtime.Name field is immutable");
  }
  const after = { ...before };
  for (const path of paths.length === 0 ? ["labels", "spec", "extensions", "image", "snapshotkey"] : paths) {
    const labels = maskedMap(after.labels, given.labels, path, "labels");
    const extensions = maskedMap(after.extensions, given.extensions, path, "extensions");
    if (labels !== undefined) after.labels = labels;
    else if (extensions !== undefined) after.extensions = extensions;
    else if (path === "spec") after.spec = given.spec;
    else if (path === "image") after.image = given.image;
    else if (path === "snapshotkey") after.snapshotKey = given.snapshotKey;
    else throw invalid(`cannot update ${JSON.stringify(path)} field on ${JSON.stringify(given.id)}`);
  }
  return checkedContainer(after, "update failed validation");
}

function anyOf({ typeUrl, value }: AnyRecord): Any {
  return create(AnySchema, { typeUrl, value });
}

function recordOf({ typeUrl, value }: Any): AnyRecord {
  // What came over the wire is a part of a larger message's memory.
  return { typeUrl, value: new Uint8Array(value) };
}

function invalid(message: string): InvalidArgumentError {
  return new InvalidArgumentError(`${message}: invalid argument`);
}
