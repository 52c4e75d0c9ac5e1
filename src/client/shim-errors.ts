import { type ErrorCode, errorFor, isContainerdError } from "../errors.js";

/**
 * What shims say and what it means. They answer with no class of their own, so their words are all there is.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/cmd/containerd-shim-runc-v2/process/init_state.go
 */
const meanings: readonly (readonly [RegExp, ErrorCode])[] = [
  // Runc gives up when processes come and go faster than it can stop them.
  [/unable to freeze/i, "aborted"],
  [/no space left on device/i, "resource_exhausted"],
  [
    /\bcannot \w+(?: in)? a(?:n)? .*\b(?:paused|running|stopped|created|deleted|state|process|container|task)\b/i,
    "failed_precondition",
  ],
  [/\bcannot \w+ task in \w+ state\b/i, "failed_precondition"],
  [/\bcontainer (?:is )?not (?:paused|running)\b|process not created|is not running/i, "failed_precondition"],
  [/\bcriu failed\b|OCI runtime (?:checkpoint|restore) failed/i, "failed_precondition"],
  [/container's cgroup (?:is not empty|unexpectedly frozen)/i, "failed_precondition"],
  [/container with given ID already exists|already exists\b/i, "already_exists"],
  [/ttrpc: (?:closed|server closed)|shim disconnected/i, "unavailable"],
  [/unsupported checkpoint type|invalid task checkpoint option/i, "invalid_argument"],
  [/process already finished|no such process|does not exist\b|: not found\b|no running task found/i, "not_found"],
];

/** Gives an error of a shim the class its words stand for; message and everything else stay. Other errors pass as they are. */
export function shimError(reason: unknown): unknown {
  if (!isContainerdError(reason, "unknown")) return reason;
  const code = meanings.find(([pattern]) => pattern.test(reason.message))?.[1];
  if (code === undefined) return reason;
  const { message, hint, method, namespace, criuLog } = reason;
  return errorFor(code, message, { cause: reason, hint, method, namespace, criuLog });
}

/** Waits for a call that a shim answers; failures leave with the class their words stand for. */
export async function fromShim<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (reason) {
    throw shimError(reason);
  }
}
