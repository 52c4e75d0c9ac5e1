import { setTimeout as sleep } from "node:timers/promises";
import type { Operation } from "./operation.js";
import type { Progress } from "./progress.js";
import { parseIntent } from "./recovery/intent.js";
import type { Services } from "./services.js";

const POLL_MS = 150;

/** Tells how far the daemon's writers are, until it is stopped; what it cannot learn it leaves unsaid. */
export function watchIngests(services: Services, operation: Operation, progress: Progress): () => void {
  const stop = new AbortController();
  const poll = async (): Promise<void> => {
    const call = { signal: stop.signal };
    while (!stop.signal.aborted) {
      const ours = new Set<string>();
      for await (const resource of services.leases.resources(operation.lease, call)) {
        if (resource.type === "ingests" && parseIntent(resource) === undefined) ours.add(resource.id);
      }
      for await (const { ref, offset } of services.content.statuses([], call)) {
        if (ours.has(ref)) progress.bytes(ref === operation.ref("rw") ? "rw" : "task", offset);
      }
      await sleep(POLL_MS, undefined, call);
    }
  };
  poll().catch(() => {
    // Progress is a courtesy: the capture itself reports what is wrong with the connection.
  });
  return () => stop.abort();
}
