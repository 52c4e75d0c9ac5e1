import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { DataLossError } from "./errors.js";

/**
 * Type names under which containerd carries the OCI runtime spec's documents, as JSON.
 *
 * @see https://github.com/containerd/typeurl/blob/v2.2.3/README.md
 */
export const RuntimeSpecType = {
  spec: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
  process: "types.containerd.io/opencontainers/runtime-spec/1/Process",
  linuxResources: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
} as const;

/** Wraps a message the way containerd does: the type's full name with no prefix, because shims compare it letter by letter. */
export function packAny<T extends DescMessage>(schema: T, message: MessageShape<T>): Any {
  return create(AnySchema, { typeUrl: schema.typeName, value: toBinary(schema, message) });
}

/** Makes a message of its fields and wraps it. */
export function packFields<T extends DescMessage>(schema: T, fields: MessageInitShape<T>): Any {
  return packAny(schema, create(schema, fields));
}

/** Wraps one of the runtime spec's documents, which is JSON. */
export function packDocument(typeUrl: string, json: Uint8Array): Any {
  return create(AnySchema, { typeUrl, value: json });
}

/**
 * Unwraps a message of the given type; `undefined` when it holds another type. Names with a prefix are understood too.
 *
 * @throws {DataLossError} when it is named so and is none
 */
export function unpackAny<T extends DescMessage>(any: Any, schema: T): MessageShape<T> | undefined {
  return isAnyOf(any, schema.typeName) ? decode(schema, any.value) : undefined;
}

/** The bytes of a wrapped message, as checkpoint blobs hold it. */
export function encodeAny(any: Any): Uint8Array {
  return toBinary(AnySchema, any);
}

/**
 * Reads a wrapped message from the bytes of a checkpoint blob.
 *
 * @throws {DataLossError} when they are none
 */
export function decodeAny(bytes: Uint8Array): Any {
  return decode(AnySchema, bytes);
}

function decode<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new DataLossError(`Cannot read ${schema.typeName}: the bytes are no such message`, { cause });
  }
}

function isAnyOf(any: Any, typeName: string): boolean {
  return any.typeUrl === typeName || any.typeUrl.endsWith(`/${typeName}`);
}
