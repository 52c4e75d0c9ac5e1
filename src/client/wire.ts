import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Descriptor as DescriptorMessage } from "../api/types/descriptor_pb.js";
import { InternalError, OutOfRangeError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { parseDigest } from "../oci/digest.js";

/**
 * A 64-bit integer of the wire as a number.
 *
 * @throws {OutOfRangeError} when a number cannot hold it exactly
 */
export function safeNumber(value: bigint, what: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new OutOfRangeError(`Cannot read ${what}: ${value} does not fit a number`);
}

// Go writes the time it has not as the first instant of the year 1.
const GO_ZERO_TIME = -62_135_596_800n;

/** An instant of the wire; `undefined` when the daemon has none. */
export function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  if (timestamp === undefined || timestamp.seconds <= GO_ZERO_TIME) return undefined;
  return new Date(safeNumber(timestamp.seconds, "an instant") * 1000 + Math.trunc(timestamp.nanos / 1e6));
}

/** The instant of a record, which always has one. */
export function recordedAt(timestamp: Timestamp | undefined): Date {
  return dateOf(timestamp) ?? new Date(0);
}

/** A map of the wire as an object of its own, in which a key such as `__proto__` is a key like any other. */
export function mapOf<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map));
}

/** A descriptor of the wire, which knows neither platform nor URLs. */
export function descriptorOf(message: DescriptorMessage | undefined, what: string): Descriptor {
  if (message === undefined) throw new InternalError(`The daemon answered without ${what}`);
  const annotations: Labels = mapOf(message.annotations);
  return {
    mediaType: message.mediaType,
    digest: parseDigest(message.digest),
    size: safeNumber(message.size, `the size of ${what}`),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

/** A descriptor as the wire takes it. */
export function descriptorInit(descriptor: Descriptor): {
  mediaType: string;
  digest: string;
  size: bigint;
  annotations: Record<string, string>;
} {
  const { mediaType, digest, size, annotations } = descriptor;
  return { mediaType, digest, size: BigInt(size), annotations: { ...annotations } };
}

/** Takes what a reply must hold. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new InternalError(`The daemon answered without ${what}`);
  return value;
}

/** The labels to send and the paths to name so that `null` deletes one label and all others stay. */
export function labelChanges(changes: Readonly<Record<string, string | null>>): {
  labels: Record<string, string>;
  paths: string[];
} {
  const entries = Object.entries(changes);
  return {
    labels: Object.fromEntries(entries.map(([key, value]) => [key, value ?? ""])),
    paths: entries.map(([key]) => `labels.${key}`),
  };
}
