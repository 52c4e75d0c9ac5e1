import type { CallOptions } from "./call-options.js";
import { DeadlineExceededError, InvalidArgumentError } from "./errors.js";

// Node's timers know no later one, and fire at once.
const LONGEST_MS = 2 ** 31 - 1;

/**
 * How long a call may take, in whole milliseconds a timer can wait; `undefined` when as long as it needs.
 *
 * @throws {InvalidArgumentError} when what the caller says is not a number
 */
export function timeoutOf({ timeoutMs }: CallOptions): number | undefined {
  if (timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY) return undefined;
  if (Number.isNaN(timeoutMs)) throw new InvalidArgumentError("Cannot wait NaN ms: expected a number of milliseconds");
  // What travels as a header must be a whole number, and not every transport sees to that.
  return Math.min(Math.max(Math.ceil(timeoutMs), 0), LONGEST_MS);
}

/** What is left of a call's time, each time it is asked: for a call that is made of several. */
export function timeLeft(call: CallOptions): () => CallOptions {
  const timeoutMs = timeoutOf(call);
  if (timeoutMs === undefined) return () => call;
  const endsAt = performance.now() + timeoutMs;
  return () => ({ ...call, timeoutMs: Math.max(0, Math.ceil(endsAt - performance.now())) });
}

/**
 * Waits for what others may wait for, too, no longer than the call may.
 *
 * @throws {DeadlineExceededError} when the call's time is over first; with its signal's reason when that ends it
 */
export function waitFor<T>(promise: Promise<T>, call: CallOptions): Promise<T> {
  const { signal } = call;
  const timeoutMs = timeoutOf(call);
  if (signal === undefined && timeoutMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const abort = (): void => {
      settled();
      reject(signal?.reason as Error);
    };
    const late = (): void => {
      settled();
      reject(new DeadlineExceededError(`The call took longer than ${timeoutMs} ms`));
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    promise.finally(settled).then(resolve, reject);
    if (signal?.aborted) abort();
  });
}
