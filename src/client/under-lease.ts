import type { CallOptions } from "../call-options.js";
import { errorFor, isContainerdError } from "../errors.js";
import type { Digest } from "../oci/digest.js";
import { CleanUp, type Undo } from "./clean-up.js";
import { newOperationId } from "./operation-id.js";
import { operationLabels } from "./recovery/operation-record.js";
import { operationsHere, ownOwner } from "./recovery/owner.js";
import type { Services } from "./services.js";

const LEASE_MS = 60_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** One piece of work whose content and snapshots a lease keeps, and what to undo should it fail. */
export interface LeasedWork {
  /** Unlike any other work's; fit for keys and refs. */
  readonly id: string;
  /** The caller's options with the lease. */
  readonly call: CallOptions & { readonly lease: { readonly id: string } };
  /**
   * Makes one short call that the caller's signal does not reach: one given up half-way may still be carried out after it
   * was undone. The signal is looked at afterwards.
   */
  whole<T>(make: (call: CallOptions) => Promise<T>): Promise<T>;
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
  const cleanUp = new CleanUp();
  const leased: LeasedWork = {
    id,
    call: { ...call, lease },
    whole: async (make) => {
      call.signal?.throwIfAborted();
      const made = await make({ lease, timeoutMs: LEASE_MS });
      call.signal?.throwIfAborted();
      return made;
    },
    onFailure: (what, undo) => cleanUp.onFailure(what, undo),
  };
  operationsHere.add(id);
  if (own) cleanUp.atEnd(`lease ${id}`, (end, failed) => services.leases.delete(lease, { ...end, sync: failed }));
  try {
    // Not with the caller's signal: a lease whose making was given up may be there all the same.
    if (own) await services.leases.create({ id, labels: workLabels(id, name), timeoutMs: LEASE_MS });
    call.signal?.throwIfAborted();
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
  const cleanUp = new CleanUp();
  operationsHere.add(id);
  cleanUp.atEnd(`lease ${id}`, (end) => services.leases.delete(lease, end));
  const end = async (failed: boolean): Promise<readonly string[]> => {
    const left = await cleanUp.run(failed);
    operationsHere.delete(id);
    return left;
  };
  try {
    // Not with the caller's signal: a lease whose making was given up may be there all the same.
    await services.leases.create({ id, labels: workLabels(id, name, partial), timeoutMs: LEASE_MS });
    signal?.throwIfAborted();
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
