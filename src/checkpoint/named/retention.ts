import { InvalidArgumentError } from "../../errors.js";
import type { NamedCheckpoint } from "./named-checkpoint.js";

/** Which checkpoints stay. One that has expired goes in any case. */
export interface CheckpointRetention {
  /** So many of the newest stay. */
  readonly keepLast?: number | undefined;
  /** Those of the last so many milliseconds stay. With `keepLast` beside it, either is enough to stay. */
  readonly keepWithinMs?: number | undefined;
  /** Of those that stay the oldest go until the others have no more bytes than this. */
  readonly maxBytes?: number | undefined;
}

/** A checkpoint that goes. */
export interface PrunedCheckpoint {
  /** Which it is. */
  readonly checkpoint: NamedCheckpoint;
  /** The rule by which it goes, in words. */
  readonly why: string;
}

/** What becomes of a container's checkpoints. */
export interface RetentionPlan {
  /** Those that stay, newest first. */
  readonly kept: readonly NamedCheckpoint[];
  /** Those that go, oldest first. */
  readonly gone: readonly PrunedCheckpoint[];
}

/**
 * Says which checkpoints go.
 *
 * @throws {InvalidArgumentError} when a rule is no whole number from 0
 */
export function planRetention(
  checkpoints: readonly NamedCheckpoint[],
  retention: CheckpointRetention,
  now: Date,
): RetentionPlan {
  requireRules(retention);
  const newestFirst = [...checkpoints].sort(
    (a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.name < b.name ? 1 : -1),
  );
  const kept: NamedCheckpoint[] = [];
  const gone: PrunedCheckpoint[] = [];
  let newer = 0;
  let bytes = 0;
  const reason = (checkpoint: NamedCheckpoint): string | undefined => {
    const expired = expiry(checkpoint, now);
    if (expired !== undefined) return expired;
    const old = age(checkpoint, newer++, retention, now);
    if (old !== undefined) return old;
    // One that is too much counts on: what is older goes too, were it ever so small.
    bytes += checkpoint.bytes;
    const { maxBytes = Number.POSITIVE_INFINITY } = retention;
    return bytes > maxBytes ? `with it and what is newer there would be more than ${maxBytes} bytes` : undefined;
  };
  for (const checkpoint of newestFirst) {
    const why = reason(checkpoint);
    if (why === undefined) kept.push(checkpoint);
    else gone.unshift({ checkpoint, why });
  }
  return { kept, gone };
}

function requireRules(retention: CheckpointRetention): void {
  for (const rule of ["keepLast", "keepWithinMs", "maxBytes"] as const) {
    const value = retention[rule];
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
    throw new InvalidArgumentError(`Cannot prune with ${rule} ${value}: expected a whole number from 0`);
  }
}

function expiry({ expiresAt }: NamedCheckpoint, now: Date): string | undefined {
  return expiresAt !== undefined && expiresAt.getTime() <= now.getTime()
    ? `it expired at ${expiresAt.toISOString()}`
    : undefined;
}

function age(
  { createdAt }: NamedCheckpoint,
  newer: number,
  { keepLast, keepWithinMs }: CheckpointRetention,
  now: Date,
): string | undefined {
  if (keepLast === undefined && keepWithinMs === undefined) return undefined;
  if (keepLast !== undefined && newer < keepLast) return undefined;
  if (keepWithinMs !== undefined && createdAt.getTime() > now.getTime() - keepWithinMs) return undefined;
  const rules = [
    ...(keepLast === undefined ? [] : [`it is none of the newest ${keepLast}`]),
    ...(keepWithinMs === undefined ? [] : [`it is older than ${keepWithinMs} ms`]),
  ];
  return rules.join(" and ");
}
