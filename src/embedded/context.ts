import { FailedPreconditionError } from "../errors.js";
import type { HandlerContext } from "../rpc/router.js";
import { checkIdentifier } from "./identifiers.js";

/** What a handler knows of its call. */
export interface CallContext {
  readonly namespace: string;
  /** The id of the lease that holds what the call makes. */
  readonly lease: string | undefined;
  /** Aborted when the caller is gone, and when the call is over. */
  readonly signal: AbortSignal;
}

/**
 * Reads what the call's header says.
 *
 * @throws {FailedPreconditionError} when it names no namespace
 * @throws {InvalidArgumentError} when that is no identifier
 */
export function callContext({ requestHeader, signal }: HandlerContext): CallContext {
  const namespace = requestHeader.get("containerd-namespace") ?? "";
  if (namespace === "") throw new FailedPreconditionError("namespace is required: failed precondition");
  checkIdentifier(namespace, "namespace validation");
  const lease = requestHeader.get("containerd-lease") ?? "";
  return { namespace, lease: lease === "" ? undefined : lease, signal };
}
