import { createRegistry, type DescField, fromBinary, type Message, ScalarType } from "@bufbuild/protobuf";
import { file_events_container } from "../../api/events/container_pb.js";
import { file_events_content } from "../../api/events/content_pb.js";
import { file_events_image } from "../../api/events/image_pb.js";
import { file_events_namespace } from "../../api/events/namespace_pb.js";
import { file_events_sandbox } from "../../api/events/sandbox_pb.js";
import { file_events_snapshot } from "../../api/events/snapshot_pb.js";
import { file_events_task } from "../../api/events/task_pb.js";
import type { Envelope } from "../../api/types/event_pb.js";
import type { FieldLookup } from "../../content/filter-match.js";
import { ownValue } from "../label-lookup.js";

const payloads = createRegistry(
  file_events_container,
  file_events_content,
  file_events_image,
  file_events_namespace,
  file_events_sandbox,
  file_events_snapshot,
  file_events_task,
);

/** Finds an event's fields for filters: `topic`, `namespace` and, by their names in the proto files, those under `event`. */
export function eventLookup({ topic, namespace, event }: Envelope): FieldLookup {
  return ([field, ...path]) => {
    if (field === "event") return event === undefined ? undefined : payloadField(event.typeUrl, event.value, path);
    if (path.length > 0) return undefined;
    return field === "topic" ? topic : field === "namespace" ? namespace : undefined;
  };
}

function payloadField(typeUrl: string, value: Uint8Array, path: readonly string[]): string | undefined {
  const schema = payloads.getMessage(typeUrl.slice(typeUrl.lastIndexOf("/") + 1));
  return schema && fieldOf(fromBinary(schema, value), schema.fields, path);
}

function fieldOf(message: Message, fields: readonly DescField[], path: readonly string[]): string | undefined {
  const [name, ...rest] = path;
  const field = fields.find((one) => one.name === name);
  const value: unknown = field && Reflect.get(message, field.localName);
  if (field === undefined || value === undefined) return undefined;
  switch (field.fieldKind) {
    case "message":
      return fieldOf(value as Message, field.message.fields, rest);
    case "map":
      return ownValue(value as Readonly<Record<string, string>>, rest.join("."));
    case "scalar":
      // As containerd's own: numbers cannot be asked for.
      return field.scalar === ScalarType.STRING ? (value as string) : undefined;
    case "enum":
    case "list":
      return undefined;
  }
}
