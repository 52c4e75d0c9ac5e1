import type { CallOptions } from "../call-options.js";
import { waitFor } from "../call-timeout.js";
import type { Services } from "./services.js";

// What is remembered does not change while a daemon runs; a client that outlives a restart asks again at most a minute later.
const REMEMBER_MS = 60_000;
const remembered = new WeakMap<object, Map<string, { readonly at: number; readonly value: Promise<unknown> }>>();

/**
 * Asks a daemon once a minute at most, and not again meanwhile; a failure is not remembered. It is asked for all, and each waits as
 * long as its own call may.
 */
export function remember<T>(
  services: Services,
  key: string,
  call: CallOptions,
  ask: (call: CallOptions) => Promise<T>,
): Promise<T> {
  const answers = remembered.get(services.introspection) ?? new Map<string, { at: number; value: Promise<unknown> }>();
  remembered.set(services.introspection, answers);
  const known = answers.get(key);
  if (known !== undefined && performance.now() - known.at < REMEMBER_MS)
    return waitFor(known.value as Promise<T>, call);
  const value = ask({ timeoutMs: REMEMBER_MS });
  answers.set(key, { at: performance.now(), value });
  value.catch(() => answers.delete(key));
  return waitFor(value, call);
}
