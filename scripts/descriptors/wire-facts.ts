/** Turns descriptors into the facts that decide what goes over the wire, in a form that can be compared. */
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FieldDescriptorProto_Label as Label,
  type ServiceDescriptorProto,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/** Aspects of a field, enum value or method, by the aspect's name. */
export type Facts = Readonly<Record<string, string>>;

/** A message, enum or service with its members: fields and values by number, methods by name. */
export interface WireSymbol {
  readonly kind: "message" | "enum" | "service";
  readonly members: ReadonlyMap<number | string, Facts>;
}

/** Symbols by full name. */
export type WireFacts = ReadonlyMap<string, WireSymbol>;

const UNPACKABLE: ReadonlySet<Type> = new Set([Type.STRING, Type.BYTES, Type.MESSAGE, Type.GROUP]);

/**
 * Collects the facts of all symbols of proto3 files.
 *
 * @param moved types that had another full name in some release: old name to present name.
 */
export function wireFacts(
  files: Iterable<FileDescriptorProto>,
  moved: ReadonlyMap<string, string> = new Map(),
): WireFacts {
  const symbols = new Map<string, WireSymbol>();
  const present = (name: string): string => {
    const bare = name.replace(/^\./, "");
    return moved.get(bare) ?? bare;
  };

  const addMessage = (scope: string, message: DescriptorProto): void => {
    if (message.options?.mapEntry) return;
    const name = `${scope}.${message.name}`;
    const members = new Map(message.field.map((field) => [field.number, fieldFacts(field, message, present)]));
    symbols.set(present(name), { kind: "message", members });
    for (const nested of message.nestedType) addMessage(name, nested);
    for (const nested of message.enumType) symbols.set(present(`${name}.${nested.name}`), enumSymbol(nested));
  };

  for (const file of files) {
    if (file.syntax !== "proto3") continue;
    for (const message of file.messageType) addMessage(file.package, message);
    for (const type of file.enumType) symbols.set(present(`${file.package}.${type.name}`), enumSymbol(type));
    for (const service of file.service) {
      symbols.set(present(`${file.package}.${service.name}`), serviceSymbol(service, present));
    }
  }
  return symbols;
}

function enumSymbol(type: EnumDescriptorProto): WireSymbol {
  return { kind: "enum", members: new Map(type.value.map((value) => [value.number, { name: value.name }])) };
}

function serviceSymbol(service: ServiceDescriptorProto, present: (name: string) => string): WireSymbol {
  const methods = service.method.map((method): [string, Facts] => [
    method.name,
    {
      input: present(method.inputType),
      output: present(method.outputType),
      requests: method.clientStreaming ? "stream" : "one",
      responses: method.serverStreaming ? "stream" : "one",
    },
  ]);
  return { kind: "service", members: new Map(methods) };
}

function fieldFacts(field: FieldDescriptorProto, parent: DescriptorProto, present: (name: string) => string): Facts {
  const repeated = field.label === Label.REPEATED;
  const entry = repeated ? mapEntry(field, parent) : undefined;
  const oneof = field.proto3Optional || !Object.hasOwn(field, "oneofIndex") ? undefined : field.oneofIndex;
  return {
    name: field.name,
    "JSON name": field.jsonName || lowerCamelCase(field.name),
    type: entry ? entry.field.map((part) => typeOf(part, present)).join(" to ") : typeOf(field, present),
    cardinality: entry ? "map" : repeated ? "repeated" : "singular",
    packing:
      repeated && !UNPACKABLE.has(field.type) ? ((field.options?.packed ?? true) ? "packed" : "expanded") : "none",
    presence: field.proto3Optional ? "explicit" : "implicit",
    oneof: oneof === undefined ? "none" : (parent.oneofDecl[oneof]?.name ?? "none"),
  };
}

function mapEntry(field: FieldDescriptorProto, parent: DescriptorProto): DescriptorProto | undefined {
  return parent.nestedType.find(
    (nested) => nested.options?.mapEntry && field.typeName.endsWith(`.${parent.name}.${nested.name}`),
  );
}

function typeOf(field: FieldDescriptorProto, present: (name: string) => string): string {
  const kind = Type[field.type].toLowerCase();
  return field.typeName === "" ? kind : `${kind} ${present(field.typeName)}`;
}

function lowerCamelCase(name: string): string {
  return name.replace(/_+(.)?/g, (_, next: string | undefined) => (next ?? "").toUpperCase());
}
