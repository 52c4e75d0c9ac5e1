import { randomBytes } from "node:crypto";
import type { CallOptions } from "../call-options.js";
import { errorFor, isContainerdError, isNotFound } from "../errors.js";
import type { Services } from "./services.js";

// Clean-up goes on when the caller has given up; a daemon that is being restarted is back by then.
const CLEANUP_MS = 30_000;

/** One piece of work whose content and snapshots a lease keeps, and what to undo should it fail. */
export interface LeasedWork {
  /** Unlike any other work's; fit for keys and refs. */
  readonly id: string;
  /** The caller's options with the lease. */
  readonly call: CallOptions & { readonly lease: { readonly id: string } };
  /** To be undone, newest first, when the work fails. `what` names it should that fail too. */
  onFailure(what: string, undo: (call: CallOptions) => Promise<unknown>): void;
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
  const id = `containerd-client-${name}-${Date.now().toString(36)}-${randomBytes(6).toString("hex")}`;
  const own = call.lease === undefined;
  const lease = call.lease ?? { id };
  const undos: { readonly what: string; readonly undo: (call: CallOptions) => Promise<unknown> }[] = [];
  const leased: LeasedWork = { id, call: { ...call, lease }, onFailure: (what, undo) => undos.unshift({ what, undo }) };
  let result: T;
  try {
    // Not with the caller's signal: a lease whose making was given up may be there all the same.
    if (own) await services.leases.create({ id, timeoutMs: CLEANUP_MS });
    call.signal?.throwIfAborted();
    result = await work(leased);
  } catch (reason) {
    if (own) {
      undos.push({ what: `lease ${id}`, undo: (cleanup) => services.leases.delete(lease, { ...cleanup, sync: true }) });
    }
    throw withLeftovers(reason, await undoAll(undos));
  }
  if (own) await services.leases.delete(lease, { timeoutMs: CLEANUP_MS });
  return result;
}

async function undoAll(
  undos: readonly { what: string; undo: (call: CallOptions) => Promise<unknown> }[],
): Promise<string[]> {
  const left: string[] = [];
  for (const { what, undo } of undos) {
    try {
      await undo({ timeoutMs: CLEANUP_MS });
    } catch (reason) {
      if (!isNotFound(reason)) left.push(`${what} (${reason instanceof Error ? reason.message : String(reason)})`);
    }
  }
  return left;
}

function withLeftovers(reason: unknown, left: readonly string[]): unknown {
  if (left.length === 0 || !isContainerdError(reason)) return reason;
  const { method, namespace } = reason;
  const hint = [reason.hint, `Left behind: ${left.join(", ")}.`].filter((part) => part !== undefined).join(" ");
  return errorFor(reason.code, reason.message, { cause: reason, hint, method, namespace });
}
