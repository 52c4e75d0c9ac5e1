import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { AnySchema, type Timestamp, TimestampSchema, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { dateOf, mapOf, safeNumber } from "./wire.js";

/** A message as a plain object: instants are `Date`, 64-bit integers are numbers, what is absent is absent. */
export function plainOf(schema: DescMessage, message: Message): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const value = plainField(field, Reflect.get(message, field.localName));
    if (value !== undefined) plain[field.localName] = value;
  }
  return plain;
}

/** The message a plain object stands for. */
export function messageOf<T extends DescMessage>(schema: T, plain: object): Message {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const value: unknown = Object.hasOwn(plain, field.localName) ? Reflect.get(plain, field.localName) : undefined;
    if (value !== undefined) init[field.localName] = wireField(field, value);
  }
  return create(schema, init as MessageInitShape<T>);
}

function plainField(field: DescField, value: unknown): unknown {
  if (value === undefined) return undefined;
  switch (field.fieldKind) {
    case "message":
      return plainMessage(field.message, value as Message);
    case "list":
      return (value as readonly unknown[]).map((item) =>
        field.listKind === "message" ? plainMessage(field.message, item as Message) : item,
      );
    case "map":
      return mapOf(value as Readonly<Record<string, unknown>>);
    case "scalar":
      return typeof value === "bigint" ? safeNumber(value, field.name) : value;
    case "enum":
      return value;
  }
}

function plainMessage(schema: DescMessage, message: Message): unknown {
  if (schema.typeName === TimestampSchema.typeName) return dateOf(message as Timestamp);
  return schema.typeName === AnySchema.typeName ? message : plainOf(schema, message);
}

function wireField(field: DescField, value: unknown): unknown {
  switch (field.fieldKind) {
    case "message":
      return wireMessage(field.message, value);
    case "list":
      return (value as readonly unknown[]).map((item) =>
        field.listKind === "message" ? wireMessage(field.message, item) : item,
      );
    case "scalar":
      return typeof value === "number" && isLong(field.scalar) ? BigInt(value) : value;
    case "map":
    case "enum":
      return value;
  }
}

function wireMessage(schema: DescMessage, value: unknown): unknown {
  if (value instanceof Date) return timestampFromDate(value);
  return schema.typeName === AnySchema.typeName ? value : messageOf(schema, value as object);
}

function isLong(scalar: ScalarType): boolean {
  return scalar === ScalarType.INT64 || scalar === ScalarType.UINT64;
}
