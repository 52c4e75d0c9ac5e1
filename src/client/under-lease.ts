import type { CallOptions } from "../call-options.js";
import { errorFor, isContainerdError } from "../errors.js";
import type { Digest } from "../oci/digest.js";
import { CleanUp, type Undo } from "./clean-up.js";
import { newOperationId } from "./operation-id.js";
import { operationLabels } from "./recovery/operation-record.js";
import { operationsHere, ownOwner } from "./recovery/owner.js";
import type { Services } from "./services.js";

// The caller waits for it; what a silent daemon did not do by then is done when it speaks again.
const PATIENCE = { tryMs: 5_000, laterRestMs: 1_000 };
const DAY_MS = 24 * 60 * 60 * 1000;

/** One piece of work whose content and snapshots a lease keeps, and what to undo should it fail. */
export interface LeasedWork {
  /** Unlike any other work's; fit for keys and refs. */
  readonly id: string;
  /** The caller's options with the lease. */
  readonly call: CallOptions & { readonly lease: { readonly id: string } };
  /**
   * Makes something by one short call that the caller's signal does not reach: one given up half-way may still be carried out after it
   * was undone. The signal ends the wait. `what` names it should undoing it fail.
   */
  make<T>(what: string, make: (call: CallOptions) => Promise<T>, undo: Undo): Promise<T>;
  /** To be undone, newest first, when the work fails. `what` names it should that fail too. */
  onFailure(what: string, undo: Undo): void;
}

/**
 * Does `work` under the caller's lease, or else under one made for it that ends with it. When it fails, what it made
 * is undone first, whatever became of the caller's signal.
 */
export async function underLease<T>(
  services: Services,
  name: string,
  call: CallOptions,
  work: (leased: LeasedWork) => Promise<T>,
): Promise<T> {
  const id = newOperationId(name);
  const own = call.lease === undefined;
  const lease = call.lease ?? { id };
  const cleanUp = new CleanUp(PATIENCE);
  const leased: LeasedWork = {
    id,
    call: { ...call, lease },
    make: (what, make, undo) => cleanUp.make(what, (options) => make({ ...options, lease }), undo, call.signal),
    onFailure: (what, undo) => cleanUp.onFailure(what, undo),
  };
  operationsHere.add(id);
  try {
    if (own) await makeLease(services, id, workLabels(id, name), cleanUp, call.signal);
    else call.signal?.throwIfAborted();
    const result = await work(leased);
    // A lease that outlives its work expires by itself.
    await cleanUp.run(false);
    return result;
  } catch (reason) {
    throw withLeftovers(reason, await cleanUp.run(true));
  } finally {
    operationsHere.delete(id);
  }
}

/** Keeps content as long as it lasts. */
export interface ContentHold extends AsyncDisposable {
  /** The lease by which it does so. */
  readonly lease: { readonly id: string };
  /** Keeps a blob, and what its labels refer to. */
  keep(digest: Digest): Promise<void>;
}

/**
 * Makes a lease for what is read over several calls, so that nobody takes it away meanwhile. `partial` is the file it goes to,
 * for whoever sweeps.
 */
export async function holdContent(
  services: Pick<Services, "leases">,
  name: string,
  call: CallOptions,
  partial?: string,
): Promise<ContentHold> {
  const id = newOperationId(name);
  const lease = { id };
  const { signal, timeoutMs } = call;
  const cleanUp = new CleanUp(PATIENCE);
  operationsHere.add(id);
  const end = async (failed: boolean): Promise<readonly string[]> => {
    const left = await cleanUp.run(failed);
    operationsHere.delete(id);
    return left;
  };
  try {
    await makeLease(services, id, workLabels(id, name, partial), cleanUp, signal);
  } catch (reason) {
    throw withLeftovers(reason, await end(true));
  }
  return {
    lease,
    keep: (digest) => services.leases.addResource(lease, { type: "content", id: digest }, { signal, timeoutMs }),
    // A lease that outlives its work expires by itself.
    [Symbol.asyncDispose]: async () => void (await end(false)),
  };
}

/** Makes a lease that goes when the work ends. */
async function makeLease(
  { leases }: Pick<Services, "leases">,
  id: string,
  labels: Record<string, string>,
  cleanUp: CleanUp,
  signal: AbortSignal | undefined,
): Promise<void> {
  await cleanUp.hold(
    `lease ${id}`,
    (call) => leases.create({ ...call, id, labels }),
    (end, failed) => leases.delete({ id }, { ...end, sync: failed }),
    signal,
  );
}

/** Labels of a lease by which others see whose work it belongs to. */
export function workLabels(id: string, kind: string, partial?: string): Record<string, string> {
  const startedAt = new Date();
  const deadlineAt = new Date(startedAt.getTime() + DAY_MS);
  return operationLabels({ id, kind, containerId: "", partial, owner: ownOwner(), startedAt, deadlineAt });
}

function withLeftovers(reason: unknown, left: readonly string[]): unknown {
  if (left.length === 0 || !isContainerdError(reason)) return reason;
  const { method, namespace } = reason;
  const hint = [reason.hint, `Left behind: ${left.join(", ")}.`].filter((part) => part !== undefined).join(" ");
  return errorFor(reason.code, reason.message, { cause: reason, hint, method, namespace });
}
