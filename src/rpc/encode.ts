import { create, type DescMessage, type MessageInitShape, ScalarType, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** From here on copying the bytes costs more than sending them by themselves. */
const LARGE_BYTES = 64 * 1024;
const NOTHING = new Uint8Array();

/**
 * A message on the wire, in as many parts as it takes not to copy what is large: its bytes come last, as the caller's own, and may
 * not be written to before they are sent.
 */
export function encode<I extends DescMessage>(schema: I, input: MessageInitShape<I>): readonly Uint8Array[] {
  for (const field of schema.fields) {
    if (field.fieldKind !== "scalar" || field.scalar !== ScalarType.BYTES) continue;
    const bytes: unknown = Reflect.get(input, field.localName);
    if (!(bytes instanceof Uint8Array) || bytes.length < LARGE_BYTES) continue;
    const rest = toBinary(schema, create(schema, { ...input, [field.localName]: NOTHING }));
    const head = new BinaryWriter().raw(rest).tag(field.number, WireType.LengthDelimited).uint32(bytes.length);
    return [head.finish(), bytes];
  }
  return [toBinary(schema, create(schema, input))];
}

const steady = new WeakSet<ArrayBufferLike>();

/** Promises that bytes of a message stay as they are until it is answered, so that the next message need not wait until they have gone. */
export function keepSteady(bytes: Uint8Array): Uint8Array {
  steady.add(bytes.buffer);
  return bytes;
}

/** Whether a message is safe from what the caller writes to its bytes: they were copied, or stay as they are. */
export function isSafe([, bytes]: readonly Uint8Array[]): boolean {
  return bytes === undefined || steady.has(bytes.buffer);
}
