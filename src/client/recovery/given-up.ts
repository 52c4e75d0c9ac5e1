import type { LeaseRef } from "../../call-options.js";
import { isNotFound } from "../../errors.js";
import type { Services } from "../services.js";
import { intentsOn, sayGivenUp } from "./abandoned.js";

const CALL_MS = 2_000;
const LATER_CALL_MS = 10_000;
const SHORTEST_REST_MS = 1_000;
const LONGEST_REST_MS = 30_000;
const ALL_MS = 24 * 60 * 60 * 1000;

/**
 * Leaves an operation whose task could not be resumed to whoever recovers it, while this process lives on: says so on its lease, and
 * deletes that once nobody has to know of the pause any more. Resolves after the first try; the others do not keep the process alive.
 */
export async function giveUp(services: Services, lease: LeaseRef, pid: number): Promise<void> {
  const end = performance.now() + ALL_MS;
  const attempt = async (timeoutMs: number): Promise<boolean> => {
    try {
      const call = { timeoutMs };
      await sayGivenUp(services, lease, pid, call);
      const intents = await intentsOn(services, lease, call);
      if (intents.some(({ kind }) => kind === "paused")) return false;
      await services.leases.delete(lease, call);
      return true;
    } catch (reason) {
      // The caller was told that the lease is left behind.
      return isNotFound(reason);
    }
  };
  const later = (restMs: number): void => {
    const again = async () => {
      if (!(await attempt(LATER_CALL_MS)) && performance.now() < end) later(Math.min(2 * restMs, LONGEST_REST_MS));
    };
    setTimeout(() => void again(), restMs).unref();
  };
  if (!(await attempt(CALL_MS))) later(SHORTEST_REST_MS);
}
