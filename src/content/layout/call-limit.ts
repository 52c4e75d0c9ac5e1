import type { CallOptions } from "../../call-options.js";
import { DeadlineExceededError } from "../../errors.js";

/** Throws when a call must not go on: its signal says so, or its time is over. */
export type CallLimit = () => void;

/** Starts the time of a call. */
export function callLimit({ signal, timeoutMs }: CallOptions): CallLimit {
  const end = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  const limit = () => {
    signal?.throwIfAborted();
    if (performance.now() >= end) throw new DeadlineExceededError(`The call took longer than ${timeoutMs} ms`);
  };
  limit();
  return limit;
}
