import { createHash } from "node:crypto";
import type { CallOptions } from "../../call-options.js";
import { orUndefined } from "../../content/found.js";
import { CheckpointInProgressError, isAlreadyExists } from "../../errors.js";
import type { Services } from "../services.js";
import { isAbandoned, type OperationRecord, operationLabels, operationOf } from "./operation-record.js";

const LOCK_MS = 60_000;
const MOST_TRIES = 20;

/** The lease that is the lock on what an abandoned operation left: the daemon makes it for one caller only, from whichever machine. */
function lockId(abandonedId: string): string {
  return `containerd-client-lock-abandoned-${createHash("sha256").update(abandonedId).digest("hex").slice(0, 32)}`;
}

/**
 * Takes the lock on what an abandoned operation left. One whose holder has died is freed by `takeOver` first.
 *
 * @throws {CheckpointInProgressError} when another operation has it
 */
export async function acquireLock(
  services: Services,
  abandonedId: string,
  operation: OperationRecord,
  takeOver: (holder: OperationRecord) => Promise<unknown>,
): Promise<void> {
  const { leases } = services;
  const id = lockId(abandonedId);
  for (let tries = 1; ; tries++) {
    try {
      // By then nobody works at it any more: a lock that could not be given back does not stay as long as its process lives.
      const expiresInMs = Math.max(operation.deadlineAt.getTime() - Date.now(), LOCK_MS);
      // Never with the caller's signal: a lease whose making was given up may be there all the same.
      await leases.create({ id, labels: operationLabels(operation), expiresInMs, timeoutMs: LOCK_MS });
      return;
    } catch (reason) {
      if (!isAlreadyExists(reason)) throw reason;
      const lease = await orUndefined(leases.get(id, { timeoutMs: LOCK_MS }));
      const holder = lease && operationOf(lease);
      if (holder?.id === operation.id) return;
      const held = lease !== undefined && (holder === undefined || !isAbandoned(holder));
      if (held || tries > MOST_TRIES) {
        throw inProgress(services, operation, holder, reason);
      }
      if (holder !== undefined) await takeOver(holder);
    }
  }
}

/** Gives a lock back, if it is the operation's. */
export async function releaseLock(
  { leases }: Services,
  abandonedId: string,
  operation: OperationRecord,
  call: CallOptions,
): Promise<void> {
  const lease = await leases.get(lockId(abandonedId), call);
  if (operationOf(lease)?.id === operation.id) await leases.delete(lease, call);
}

/** The refusal of an operation because another one is under way. */
export function inProgress(
  { namespace }: Services,
  wanted: Pick<OperationRecord, "kind" | "containerId" | "ref">,
  holder: OperationRecord | undefined,
  cause?: unknown,
): CheckpointInProgressError {
  const { kind, containerId, ref } = wanted;
  const what =
    holder === undefined || holder.containerId === containerId ? "of the same container" : `to ${JSON.stringify(ref)}`;
  const who =
    holder?.owner === undefined ? "" : `, by process ${holder.owner.pid} on ${holder.owner.host.split(" ")[0]}`;
  return new CheckpointInProgressError(
    `Cannot ${kind} container ${containerId}: another ${holder?.kind ?? "operation"} ${what} is under way${who}`,
    {
      namespace,
      hint: "Try again when it is over.",
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
