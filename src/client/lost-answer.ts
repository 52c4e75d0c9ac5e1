import type { CallOptions } from "../call-options.js";
import { isContainerdError } from "../errors.js";

/** Whether a call that failed for this reason may have been carried out all the same. */
export function mayHaveHappened(reason: unknown, { signal }: CallOptions): boolean {
  if (signal?.aborted || !isContainerdError(reason)) return true;
  return reason.code === "unavailable" || reason.code === "deadline_exceeded" || reason.code === "canceled";
}
