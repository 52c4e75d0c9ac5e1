import type { CallOptions } from "../call-options.js";
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
  const { timeoutMs, ...rest } = call;
  call.signal?.throwIfAborted();
  if (timeoutMs === undefined) return body(rest);
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline]);
  try {
    return await body({ ...rest, signal });
  } catch (reason) {
    if (reason !== deadline.reason || !deadline.aborted) throw reason;
    throw new DeadlineExceededError(`${what} took longer than ${timeoutMs} ms`, { cause: reason });
  }
}
