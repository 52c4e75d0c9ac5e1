import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { OutOfRangeError } from "../errors.js";

// Go writes the time it has not as the first instant of the year 1.
const GO_ZERO_TIME = -62_135_596_800n;

/**
 * An instant of the wire; `undefined` when the daemon has none.
 *
 * @throws {OutOfRangeError} when it is further away than a `Date` reaches
 */
export function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  if (timestamp === undefined || timestamp.seconds <= GO_ZERO_TIME) return undefined;
  const date = new Date(Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1e6));
  if (!Number.isNaN(date.getTime())) return date;
  throw new OutOfRangeError(`Cannot read an instant: ${timestamp.seconds} s after 1970 is no date`);
}

/** The instant of a record, which always has one. */
export function recordedAt(timestamp: Timestamp | undefined): Date {
  return dateOf(timestamp) ?? new Date(0);
}
