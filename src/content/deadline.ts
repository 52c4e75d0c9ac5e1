import type { CallOptions } from "../call-options.js";
import { timeoutOf } from "../call-timeout.js";
import { DeadlineExceededError } from "../errors.js";

/**
 * Gives `body` one deadline for all its calls together.
 *
 * @throws {DeadlineExceededError} when `call.timeoutMs` passed first
 */
export async function withDeadline<T>(
  what: string,
  call: CallOptions,
  body: (call: CallOptions) => Promise<T>,
): Promise<T> {
  const { timeoutMs: _, ...rest } = call;
  const timeoutMs = timeoutOf(call);
  call.signal?.throwIfAborted();
  if (timeoutMs === undefined) return body(rest);
  const deadline = new AbortController();
  // Not AbortSignal.timeout(): that alone would not keep the process waiting for it.
  const timer = setTimeout(
    () => deadline.abort(new DeadlineExceededError(`${what} took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  const signal = call.signal === undefined ? deadline.signal : AbortSignal.any([call.signal, deadline.signal]);
  try {
    return await body({ ...rest, signal });
  } finally {
    clearTimeout(timer);
  }
}
