import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions, LeaseRef } from "../../call-options.js";
import { orUndefined } from "../../content/found.js";
import { FailedPreconditionError } from "../../errors.js";
import { type Thawed, thaw } from "../../guardian/thaw.js";
import type { Lease } from "../../leases/lease.js";
import { CleanUp } from "../clean-up.js";
import { newOperationId } from "../operation-id.js";
import type { Services } from "../services.js";
import { frozenTask, isUnanswered } from "./frozen-task.js";
import { type Intent, intentResource, parseIntent } from "./intent.js";
import { acquireLock, releaseLock } from "./lock.js";
import { isAbandoned, isOutOfSight, OperationLabel, type OperationRecord, operationOf } from "./operation-record.js";
import { operationsHere, ownOwner } from "./owner.js";
import { removeRemains } from "./remains.js";

const TAKE_OVER_MS = 10 * 60_000;
const CALL_MS = 30_000;
// While criu is at work in a task that its owner left, nobody else can do anything to it.
const CRIU_MS = 60_000;
const REST_MS = 100;
// The clocks of two machines differ, and registering a checkpoint may hold a pause that ends its task.
const OVERDUE_MS = 60_000;

/** An operation with all the leases it has in the daemon. */
export interface FoundOperation {
  readonly record: OperationRecord;
  readonly leases: readonly Lease[];
}

/** What the leases of the namespace say about operations, oldest first; of one operation when `id` is given. */
export async function findOperations(services: Services, call: CallOptions, id?: string): Promise<FoundOperation[]> {
  const found = new Map<string, { record: OperationRecord; leases: Lease[] }>();
  const field = `labels.${JSON.stringify(OperationLabel.id)}`;
  for await (const lease of services.leases.list([id === undefined ? field : `${field}==${id}`], call)) {
    const record = operationOf(lease);
    if (record === undefined) continue;
    const known = found.get(record.id);
    if (known === undefined) found.set(record.id, { record, leases: [lease] });
    else known.leases.push(lease);
  }
  return [...found.values()].sort((a, b) => a.record.startedAt.getTime() - b.record.startedAt.getTime());
}

/** What an operation had in hand when it was left. */
export async function intentsOf(services: Services, { leases }: FoundOperation, call: CallOptions): Promise<Intent[]> {
  const intents: Intent[] = [];
  for (const lease of leases) intents.push(...((await orUndefined(intentsOn(services, lease, call))) ?? []));
  return intents;
}

/** What one lease says of that. */
export async function intentsOn(services: Services, lease: LeaseRef, call: CallOptions): Promise<Intent[]> {
  const intents: Intent[] = [];
  for await (const resource of services.leases.resources(lease, call)) {
    const intent = parseIntent(resource);
    if (intent !== undefined) intents.push(intent);
  }
  return intents;
}

/**
 * Whether nobody works at it any more: its process is gone, or has given it up; or that cannot be told from here, and a pause lasts longer
 * than the operation allowed it, so that its process is dead or hangs, wherever it is.
 */
export async function isLeft(services: Services, found: FoundOperation, call: CallOptions): Promise<boolean> {
  if (isAbandoned(found.record)) return true;
  const intents = await intentsOf(services, found, call);
  if (intents.some(({ kind }) => kind === "given-up")) return true;
  return isOutOfSight(found.record) && intents.some((one) => one.kind === "paused" && isOverdue(one.untilAt));
}

function isOverdue(untilAt: Date): boolean {
  return untilAt.getTime() + OVERDUE_MS < Date.now();
}

/**
 * What was done about the pause of an abandoned operation: as when thawing, or `nothing` when it had paused nothing.
 *
 * @inline
 */
export type PauseOutcome = Thawed | "nothing";

/**
 * Ends what an abandoned operation has paused, and takes the intent from its lease. From then on it stands in nobody's way, also where it
 * cannot be told that it was abandoned.
 */
export async function endAbandonedPause(services: Services, found: FoundOperation): Promise<PauseOutcome> {
  const call = () => ({ timeoutMs: CALL_MS });
  const { record, leases } = found;
  const intents = await intentsOf(services, found, call());
  const pauses = intents.filter((intent) => intent.kind === "paused");
  let outcome: PauseOutcome = "nothing";
  for (const { pid } of pauses) {
    outcome = await insistOnThaw(services, record.containerId, pid);
    if (outcome === "split") return outcome;
  }
  if (!intents.some(({ kind }) => kind === "given-up")) {
    await orUndefined(sayGivenUp(services, record, record.owner?.pid ?? 0, call()));
  }
  for (const resource of pauses.map(intentResource)) {
    // It may have been an ingest as well.
    await orUndefined(services.content.abort(resource.id, call()));
    for (const lease of leases) await services.leases.deleteResource(lease, resource, call());
  }
  return outcome;
}

/** Says on the lease of an operation that nobody works at it any more. */
export async function sayGivenUp(
  { leases }: Services,
  operation: LeaseRef,
  pid: number,
  call: CallOptions,
): Promise<void> {
  await leases.addResource(operation, intentResource({ kind: "given-up", pid }), call);
}

async function insistOnThaw(services: Services, containerId: string, pid: number): Promise<Thawed> {
  const task = frozenTask(services, containerId, pid, () => ({ timeoutMs: CALL_MS }));
  const end = performance.now() + CRIU_MS;
  for (;;) {
    try {
      const did = await thaw(task);
      if (did !== "split" || performance.now() > end || (await task.freezer()) === undefined) return did;
    } catch (reason) {
      if (!isUnanswered(reason) || performance.now() > end) throw reason;
    }
    await sleep(REST_MS);
  }
}

/**
 * Does something about an abandoned operation, while nobody else does. Does nothing when it is gone by then.
 *
 * @throws {CheckpointInProgressError} when somebody else is at it
 */
export async function withAbandoned<T>(
  services: Services,
  { id: abandonedId, containerId }: OperationRecord,
  act: (found: FoundOperation) => Promise<T>,
): Promise<T | undefined> {
  const id = newOperationId("recover");
  const now = new Date();
  const deadlineAt = new Date(now.getTime() + TAKE_OVER_MS);
  const record = { id, kind: "recover", containerId, owner: ownOwner(), startedAt: now, deadlineAt };
  const cleanUp = new CleanUp();
  operationsHere.add(id);
  try {
    cleanUp.atEnd(`lock on operation ${abandonedId}`, (call) => releaseLock(services, abandonedId, record, call));
    await acquireLock(services, abandonedId, record, (holder) => takeOver(services, holder));
    const [found] = await findOperations(services, { timeoutMs: CALL_MS }, abandonedId);
    return found !== undefined && (await isLeft(services, found, { timeoutMs: CALL_MS }))
      ? await act(found)
      : undefined;
  } finally {
    await cleanUp.run(false);
    operationsHere.delete(id);
  }
}

/**
 * Ends what an abandoned operation has paused, and removes what it left, so that another one can have its place.
 *
 * @throws {FailedPreconditionError} when its task cannot be resumed from here
 */
export async function takeOver(services: Services, record: OperationRecord): Promise<void> {
  await withAbandoned(services, record, async (found) => {
    if ((await endAbandonedPause(services, found)) === "split") throw split(record);
    await removeRemains(services, found, await intentsOf(services, found, { timeoutMs: CALL_MS }));
  });
}

function split({ containerId }: OperationRecord): FailedPreconditionError {
  return new FailedPreconditionError(
    `Container ${containerId} was left in the middle of a checkpoint, and the daemon neither resumes nor pauses it`,
    { hint: "Run containerd-client recover on the daemon's machine." },
  );
}
