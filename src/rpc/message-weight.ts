import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { CallError, Status } from "./call-error.js";

// What is read from the wire is small there and large in memory: two bytes are an empty record in a list, and as an object take more
// than a hundred. So a message is weighed before it is read, by walking over it in the same way and making nothing.

/** What a message may take in memory, in bytes, for each byte of the largest message that is taken. */
const MEMORY_FACTOR = 2;
/** Whatever is in it, it takes little. */
const LIGHT_BYTES = 64 * 1024;
const DEEPEST = 100;

// As measured, in bytes.
const OBJECT_BYTES = 64;
const FIELD_BYTES = 16;
const ENTRY_BYTES = 80;
const STRING_BYTES = 24;
const NUMBER_BYTES = 24;

interface Shape {
  /** What an empty one takes. */
  readonly bytes: number;
  readonly fields: ReadonlyMap<number, DescField>;
}

const shapes = new WeakMap<DescMessage, Shape>();

function shapeOf(schema: DescMessage): Shape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  const many = schema.fields.filter(({ fieldKind }) => fieldKind === "list" || fieldKind === "map");
  const shape = {
    bytes: OBJECT_BYTES + FIELD_BYTES * (schema.fields.length + many.length),
    fields: new Map(schema.fields.map((field) => [field.number, field])),
  };
  shapes.set(schema, shape);
  return shape;
}

/**
 * Refuses a message that would take far more memory than it took on the wire.
 *
 * @throws {CallError} when it is too heavy, or no message of this kind
 */
export function requireWeight(schema: DescMessage, bytes: Uint8Array, maxMessageBytes: number): void {
  if (bytes.length <= LIGHT_BYTES) return;
  // One text may fill the message, and what is around it takes some room too.
  const scale = new Scale(schema, maxMessageBytes * MEMORY_FACTOR + LIGHT_BYTES);
  try {
    scale.message(schema, new BinaryReader(bytes), bytes.length, 0);
  } catch (reason) {
    if (reason instanceof CallError) throw reason;
    throw scale.garbage(reason);
  }
}

class Scale {
  readonly #whole: DescMessage;
  readonly #most: number;
  #left: number;

  constructor(whole: DescMessage, most: number) {
    this.#whole = whole;
    this.#most = most;
    this.#left = most;
  }

  message(schema: DescMessage, reader: BinaryReader, end: number, depth: number): void {
    const { bytes, fields } = shapeOf(schema);
    this.#add(bytes);
    if (depth > DEEPEST || end > reader.len) throw this.garbage();
    while (reader.pos < end) {
      const [number, type] = reader.tag();
      const field = fields.get(number);
      if (field === undefined) reader.skip(type, number, DEEPEST - depth);
      else if (type === WireType.LengthDelimited) this.#long(field, reader, depth);
      else this.#short(field, reader, type);
    }
    if (reader.pos > end) throw this.garbage();
  }

  garbage(cause?: unknown): CallError {
    return new CallError(Status.internal, `protocol error: not a ${this.#whole.typeName}`, cause);
  }

  /** Text, bytes, a message, an entry of a map, or numbers one after the other. */
  #long(field: DescField, reader: BinaryReader, depth: number): void {
    const length = reader.uint32();
    const end = reader.pos + length;
    if (field.fieldKind === "map") {
      this.#add(ENTRY_BYTES);
      this.#entry(field.message, reader, end, depth);
      return;
    }
    if (field.message !== undefined) {
      this.message(field.message, reader, end, depth + 1);
      return;
    }
    const isNumber = !isLong(field);
    if (isNumber && field.fieldKind !== "list") throw this.garbage();
    // Text of other scripts may take two bytes for one.
    this.#add(isNumber ? NUMBER_BYTES * length : STRING_BYTES + 2 * length);
    reader.pos = end;
  }

  #short(field: DescField, reader: BinaryReader, type: WireType): void {
    if (field.message !== undefined || field.fieldKind === "map" || isLong(field)) throw this.garbage();
    if (field.fieldKind === "list") this.#add(NUMBER_BYTES);
    reader.skip(type, field.number);
  }

  #entry(value: DescMessage | undefined, reader: BinaryReader, end: number, depth: number): void {
    while (reader.pos < end) {
      const [number, type] = reader.tag();
      if (type !== WireType.LengthDelimited) {
        reader.skip(type, number, DEEPEST - depth);
        continue;
      }
      const length = reader.uint32();
      if (number === 2 && value !== undefined) {
        this.message(value, reader, reader.pos + length, depth + 1);
        continue;
      }
      this.#add(STRING_BYTES + 2 * length);
      reader.pos += length;
    }
    if (reader.pos > end) throw this.garbage();
  }

  #add(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw new CallError(
      Status.resource_exhausted,
      `a ${this.#whole.typeName} that would take more than ${this.#most} bytes of memory`,
    );
  }
}

/** Whether its values have a length on the wire, each. */
function isLong({ scalar }: DescField): boolean {
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}
