import type { Descriptor as DescriptorMessage } from "../api/types/descriptor_pb.js";
import { DataLossError, InternalError, OutOfRangeError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { parseDigest } from "../oci/digest.js";

export { dateOf, recordedAt } from "../rpc/instant.js";

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

/** A map of the wire as an object of its own, in which a key such as `__proto__` is a key like any other. */
export function mapOf<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map));
}

/** A descriptor of the wire, which knows neither platform nor URLs. */
export function descriptorOf(message: DescriptorMessage | undefined, what: string): Descriptor {
  if (message === undefined) throw new InternalError(`The daemon answered without ${what}`);
  const annotations: Labels = mapOf(message.annotations);
  if (message.size < 0n) throw new OutOfRangeError(`Cannot read the size of ${what}: ${message.size} is below 0`);
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

/**
 * Takes what a reply says for what was asked about.
 *
 * @throws {DataLossError} when it is about something else
 */
export function requireSame(answered: string, asked: string, what: string): void {
  if (answered === asked) return;
  throw new DataLossError(
    `Asked about ${what} ${JSON.stringify(asked)}, the daemon answered about ${JSON.stringify(answered.slice(0, 160))}`,
  );
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
