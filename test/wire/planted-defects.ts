import { create } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumValueDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FieldDescriptorProto_Label as Label,
  type MethodDescriptorProto,
  OneofDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

const CONTENT = "services/content/v1/content.proto";
const IMAGES = "services/images/v1/images.proto";
const LEASES = "services/leases/v1/leases.proto";
const TASK = "types/task/task.proto";

/** One way our description could be wrong. */
export interface PlantedDefect {
  readonly what: string;
  readonly file: string;
  readonly plant: (file: FileDescriptorProto) => void;
  /** What the comparison must say of it. */
  readonly seen: RegExp;
}

function planted(what: string, file: string, plant: (file: FileDescriptorProto) => void, seen: RegExp): PlantedDefect {
  return { what, file, plant, seen };
}

/** Finds a file of a set. */
export function fileOf(files: readonly FileDescriptorProto[], name: string): FileDescriptorProto {
  return there(
    files.find((file) => file.name === name),
    name,
  );
}

/** Finds a message of a file. */
export function messageOf(file: FileDescriptorProto, name: string): DescriptorProto {
  return there(
    file.messageType.find((message) => message.name === name),
    name,
  );
}

/** Finds a field of a file by its message and name. */
export function fieldOf(file: FileDescriptorProto, message: string, name: string): FieldDescriptorProto {
  return there(
    messageOf(file, message).field.find((field) => field.name === name),
    `${message}.${name}`,
  );
}

/** Finds a method of the first service of a file. */
export function methodOf(file: FileDescriptorProto, name: string): MethodDescriptorProto {
  return there(
    file.service[0]?.method.find((method) => method.name === name),
    `rpc ${name}`,
  );
}

function enumValueOf(file: FileDescriptorProto, number: number): EnumValueDescriptorProto {
  return there(
    file.enumType[0]?.value.find((value) => value.number === number),
    `enum value ${number}`,
  );
}

function there<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new Error(`The generated code has no ${what}`);
  return found;
}

function set<T extends object>(target: T, change: Partial<T>): void {
  Object.assign(target, change);
}

function mapEntryOf(file: FileDescriptorProto, message: string): DescriptorProto {
  return there(messageOf(file, message).nestedType[0], `map in ${message}`);
}

function swapFirstNumbers(message: DescriptorProto): void {
  const [first, second] = message.field;
  if (first === undefined || second === undefined) throw new Error(`${message.name} has no two fields`);
  [first.number, second.number] = [second.number, first.number];
}

function joinInOneof(message: DescriptorProto): void {
  message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: "choice" }));
  for (const field of message.field) field.oneofIndex = 0;
}

function addField(message: DescriptorProto): void {
  const extra = { name: "extra", number: 99, type: Type.STRING, label: Label.OPTIONAL };
  message.field.push(create(FieldDescriptorProtoSchema, extra));
}

const content = ".containerd.services.content.v1";

/** Defects of every kind the comparison must see. */
export const PLANTED_DEFECTS: readonly PlantedDefect[] = [
  planted("another integer", CONTENT, (f) => set(fieldOf(f, "Info", "size"), { type: Type.UINT64 }), /type is uint64/),
  planted("text", CONTENT, (f) => set(fieldOf(f, "ReadContentResponse", "data"), { type: Type.STRING }), /is string/),
  planted("a number", CONTENT, (f) => set(fieldOf(f, "Status", "ref"), { number: 9 }), /Status\.ref: .* number 3/),
  planted("numbers swapped", LEASES, (f) => swapFirstNumbers(messageOf(f, "Resource")), /Resource\.\w+: name is/),
  planted("a list", CONTENT, (f) => set(fieldOf(f, "InfoRequest", "digest"), { label: Label.REPEATED }), /is repeated/),
  planted(
    "no list",
    CONTENT,
    (f) => set(fieldOf(f, "ListContentResponse", "info"), { label: Label.OPTIONAL }),
    /cardinality is singular/,
  ),
  planted(
    "another map value",
    CONTENT,
    (f) => set(there(mapEntryOf(f, "Info").field[1], "value"), { type: Type.BYTES }),
    /labels: type is string to bytes/,
  ),
  planted(
    "a list of pairs for a map",
    CONTENT,
    (f) => set(there(mapEntryOf(f, "Info").options, "options"), { mapEntry: false }),
    /labels: cardinality is repeated/,
  ),
  planted(
    "presence",
    CONTENT,
    (f) => set(fieldOf(f, "ReadContentRequest", "size"), { proto3Optional: true }),
    /presence is explicit/,
  ),
  planted(
    "no presence",
    IMAGES,
    (f) => set(fieldOf(f, "DeleteImageRequest", "target"), { proto3Optional: false }),
    /presence is implicit/,
  ),
  planted("a oneof", LEASES, (f) => joinInOneof(messageOf(f, "Resource")), /oneof is choice/),
  planted(
    "another message type",
    IMAGES,
    (f) => set(fieldOf(f, "Image", "target"), { typeName: ".containerd.types.Mount" }),
    /type is message containerd\.types\.Mount/,
  ),
  planted("a field renamed", CONTENT, (f) => set(fieldOf(f, "Info", "digest"), { name: "hash" }), /name is hash/),
  planted(
    "a JSON name",
    CONTENT,
    (f) => set(fieldOf(f, "Info", "created_at"), { jsonName: "born" }),
    /JSON name is born/,
  ),
  planted("a field left out", CONTENT, (f) => set(messageOf(f, "InfoRequest"), { field: [] }), /ours lacks it/),
  planted("a field made up", CONTENT, (f) => addField(messageOf(f, "AbortRequest")), /AbortRequest\.extra: only ours/),
  planted("a message renamed", CONTENT, (f) => set(messageOf(f, "AbortRequest"), { name: "Drop" }), /Drop: only ours/),
  planted(
    "an enum number",
    TASK,
    (f) => set(enumValueOf(f, 4), { number: 6 }),
    /PAUSED: the daemon has it as number 4/,
  ),
  planted("an enum value renamed", TASK, (f) => set(enumValueOf(f, 4), { name: "FROZEN" }), /name is FROZEN/),
  planted("an enum value left out", TASK, (f) => void f.enumType[0]?.value.pop(), /PAUSING: .*ours lacks it/),
  planted(
    "no response stream",
    CONTENT,
    (f) => set(methodOf(f, "Read"), { serverStreaming: false }),
    /responses is one/,
  ),
  planted(
    "no request stream",
    CONTENT,
    (f) => set(methodOf(f, "Write"), { clientStreaming: false }),
    /requests is one/,
  ),
  planted("a response stream", CONTENT, (f) => set(methodOf(f, "Info"), { serverStreaming: true }), /is stream/),
  planted("a method renamed", CONTENT, (f) => set(methodOf(f, "Abort"), { name: "Drop" }), /Content\.Drop: only ours/),
  planted(
    "another input",
    CONTENT,
    (f) => set(methodOf(f, "Abort"), { inputType: `${content}.StatusRequest` }),
    /input is/,
  ),
  planted(
    "another output",
    CONTENT,
    (f) => set(methodOf(f, "Abort"), { outputType: `${content}.InfoResponse` }),
    /output is/,
  ),
  planted("another package", LEASES, (f) => set(f, { package: "leases.v2" }), /leases\.v2\.Leases: only ours/),
];
