import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../../call-options.js";
import { DataLossError } from "../../errors.js";
import type { Services } from "../services.js";
import { type FoundOperation, findOperations, isLeft, takeOver } from "./abandoned.js";
import { inProgress } from "./lock.js";
import { isAbandoned, type OperationRecord } from "./operation-record.js";

// Whoever gives way does so at once, unless it hangs.
const GIVE_WAY_MS = 10_000;
const SHORTEST_REST_MS = 5;
const LONGEST_REST_MS = 250;

/**
 * Sees that nobody else is at work on the same. Called when the operation has its lease: of two that are begun at once at least
 * the later one then sees the other's. The younger gives way and the older waits for that, so that clocks decide who has it, but
 * never let both have it. What an operation whose process died left in the way is put right. Resolves to whether there was such a one.
 *
 * @throws {CheckpointInProgressError} when somebody is at work on the same
 */
export async function settleRivals(services: Services, own: OperationRecord, call: CallOptions): Promise<boolean> {
  const end = performance.now() + GIVE_WAY_MS;
  const first = await others(services, own, call);
  const { self, abandoned } = first;
  let { living } = first;
  for (let rest = SHORTEST_REST_MS; living.length > 0; rest = Math.min(2 * rest, LONGEST_REST_MS)) {
    const [ahead] = performance.now() < end ? living.filter(({ record }) => isBefore(record, self)) : living;
    if (ahead !== undefined) {
      if (!(await isLeft(services, ahead, call))) throw inProgress(services, own, ahead.record);
      abandoned.push(ahead);
      living = living.filter((one) => one !== ahead);
      continue;
    }
    await sleep(rest, undefined, { signal: call.signal });
    // Those who came since the first look have seen this one, and can have it only when this one is gone.
    const known = new Set(living.map(({ record }) => record.id));
    living = (await others(services, own, call)).living.filter(({ record }) => known.has(record.id));
  }
  for (const { record } of abandoned) await takeOver(services, record);
  return abandoned.length > 0;
}

interface Others {
  readonly self: OperationRecord;
  readonly living: readonly FoundOperation[];
  readonly abandoned: FoundOperation[];
}

async function others(services: Services, own: OperationRecord, call: CallOptions): Promise<Others> {
  const found = await findOperations(services, call);
  const self = found.find(({ record }) => record.id === own.id)?.record;
  if (self === undefined)
    throw new DataLossError(`The daemon made lease ${JSON.stringify(own.id)} and does not list it`);
  const inTheWay = found.filter(({ record }) => record.id !== own.id && isInTheWay(record, own));
  return {
    self,
    // Where the process is seen to live its deadline does not count: somebody may have set the clock.
    living: inTheWay.filter(({ record }) => !isAbandoned(record)),
    abandoned: inTheWay.filter(({ record }) => isAbandoned(record)),
  };
}

/** A container is for one operation at a time, and so is an image, and a name its caller gave it. */
function isInTheWay(other: OperationRecord, { containerId, ref, callerId }: OperationRecord): boolean {
  return (
    other.containerId === containerId ||
    (ref !== undefined && other.ref === ref) ||
    (callerId !== undefined && other.callerId === callerId)
  );
}

function isBefore(one: OperationRecord, other: OperationRecord): boolean {
  const [a, b] = [one.startedAt.getTime(), other.startedAt.getTime()];
  return a < b || (a === b && one.id < other.id);
}
