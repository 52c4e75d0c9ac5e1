import { createFileRegistry, type DescFile } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";

/** A message of descriptor.proto, or a part of one, by names of fields. */
export type Plain = Record<string, unknown>;

/** What the messages of one type look like when nothing is set. */
export interface Kind {
  readonly defaults: Plain;
  readonly lists: readonly string[];
  /** Fields that hold messages, and of which type. */
  readonly messages: Readonly<Record<string, string>>;
}

/** By names of types. */
export type Kinds = Readonly<Record<string, Kind>>;

/**
 * Part of the bundle: what protobuf's `fileDesc` does, but from an object instead of bytes in base64. Reading descriptors needs the
 * descriptor of descriptors and a reader made for each of its types, which was a third of what importing the library took.
 */
export function plainFileDesc(kinds: Kinds, plain: Plain, imports: readonly DescFile[] = []): DescFile {
  const proto = messageOf(kinds, "google.protobuf.FileDescriptorProto", plain) as unknown as FileDescriptorProto;
  proto.dependency = imports.map((file) => file.proto.name);
  const registry = createFileRegistry(proto, (name) => imports.find((file) => file.proto.name === name));
  return registry.getFile(proto.name) as DescFile;
}

function messageOf(kinds: Kinds, typeName: string, plain: Plain): Plain {
  const { defaults, lists, messages } = kinds[typeName] as Kind;
  const message: Plain = Object.assign(Object.create(defaults), { $typeName: typeName }, plain);
  for (const list of lists) message[list] ??= [];
  for (const [field, type] of Object.entries(messages)) {
    const value = message[field];
    if (Array.isArray(value)) message[field] = value.map((one: Plain) => messageOf(kinds, type, one));
    else if (value !== undefined) message[field] = messageOf(kinds, type, value as Plain);
  }
  if (typeName === "google.protobuf.FieldDescriptorProto" && !Object.hasOwn(message, "jsonName")) {
    message["jsonName"] = protoCamelCase(message["name"] as string);
  }
  return message;
}
