import type { TarHeader } from "./member.js";

const MS = 1_000_000n;

/** When something was changed: a `Date` holds milliseconds, the rest is told apart. */
export type Instant = Pick<TarHeader, "modifiedAt" | "modifiedAtNs">;

/** An instant in nanoseconds since 1970. */
export function nanosecondsOf({ modifiedAt, modifiedAtNs }: Instant): bigint {
  return modifiedAtNs ?? BigInt(Math.floor(modifiedAt.getTime())) * MS;
}

/** The instant so many nanoseconds after 1970; its `Date` may be an invalid one. */
export function instantOf(ns: bigint): Instant {
  const rest = ((ns % MS) + MS) % MS;
  return { modifiedAt: new Date(Number((ns - rest) / MS)), ...(rest === 0n ? {} : { modifiedAtNs: ns }) };
}
