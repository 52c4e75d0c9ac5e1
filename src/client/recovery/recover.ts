import type { CallOptions } from "../../call-options.js";
import { isCheckpointInProgress } from "../../errors.js";
import type { Services } from "../services.js";
import {
  endAbandonedPause,
  type FoundOperation,
  findOperations,
  intentsOf,
  isLeft,
  type PauseOutcome,
  withAbandoned,
} from "./abandoned.js";
import { isUnanswered } from "./frozen-task.js";
import type { OperationRecord } from "./operation-record.js";

// As long as a daemon may take that is there.
const THERE_MS = 30_000;

/**
 * How operations are recovered.
 *
 * @inline
 */
export interface RecoverOptions extends CallOptions {
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined;
}

/**
 * An operation whose process is gone, and what was done about it.
 *
 * @inline
 */
export interface RecoveredOperation {
  /** Its id, which is also that of its lease. */
  readonly id: string;
  /** The id its caller gave it. */
  readonly operationId?: string | undefined;
  /** What it was: `checkpoint`, `restore`, `create`, `unpack`, or the `recover` of another one. */
  readonly kind: string;
  /** The container it was about. */
  readonly containerId: string;
  /** The image it was to make. */
  readonly ref?: string | undefined;
  /** When it was begun, by the daemon's clock. */
  readonly startedAt: Date;
  /** The process that ran it, as its machine counts. */
  readonly pid?: number | undefined;
  /** The machine of that process. */
  readonly host?: string | undefined;
  /**
   * What became of the pause of its task. `nothing`: it had paused nothing. `resumed`: the task runs again. `healed`: daemon and
   * kernel were of two minds about the task; it runs in both. `ran`: somebody had resumed it before. `gone`: it has ended.
   * `split`: daemon and kernel are of two minds still, which only a process on the daemon's machine can heal. `paused`: it
   * stays paused, as this was a dry run. `busy`: somebody else is recovering it. `failed`: that could not be done, or not be found out,
   * and `error` says why; the next call tries again.
   */
  readonly pause: PauseOutcome | "paused" | "busy" | "failed";
  /** Why it could not be recovered, or what it left could not be removed. */
  readonly error?: Error | undefined;
}

/** Finds the operations that nobody works at any more, and ends what they have paused. */
export async function recoverOperations(
  services: Services,
  options: RecoverOptions,
): Promise<readonly RecoveredOperation[]> {
  const { dryRun = false, ...call } = options;
  const recovered: RecoveredOperation[] = [];
  for (const found of await findOperations(services, call)) {
    call.signal?.throwIfAborted();
    const { record } = found;
    try {
      if (!(await isLeft(services, found, call))) continue;
      const pause = dryRun ? await lookAt(services, found, call) : await recoverOne(services, found);
      recovered.push(recoveredOperation(record, pause));
    } catch (reason) {
      recovered.push(recoveredOperation(record, "failed", await failureOfOne(services, record, reason, call)));
    }
  }
  return recovered;
}

/**
 * Why nothing could be done about one operation, which keeps nobody from the next. Throws when that is no matter of this one: its caller
 * gave up, or the daemon is away.
 */
export async function failureOfOne(
  services: Services,
  { id }: OperationRecord,
  reason: unknown,
  { signal }: CallOptions,
): Promise<Error> {
  signal?.throwIfAborted();
  // Who gives no answer may be the shim of this task alone.
  if (isUnanswered(reason)) await findOperations(services, { signal, timeoutMs: THERE_MS }, id);
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Ends what an operation has paused, unless somebody else is at it. */
export async function recoverOne(services: Services, { record }: FoundOperation): Promise<RecoveredOperation["pause"]> {
  return busyWhenLocked(() => withAbandoned(services, record, (own) => endAbandonedPause(services, own)));
}

/** What comes of work on an abandoned operation, unless somebody else is at it. */
export async function busyWhenLocked<T>(work: () => Promise<T | undefined>): Promise<T | "busy"> {
  try {
    return (await work()) ?? "busy";
  } catch (reason) {
    if (isCheckpointInProgress(reason)) return "busy";
    throw reason;
  }
}

/** What would have to be done about its pause. */
export async function lookAt(
  services: Services,
  found: FoundOperation,
  call: CallOptions,
): Promise<RecoveredOperation["pause"]> {
  const intents = await intentsOf(services, found, call);
  return intents.some(({ kind }) => kind === "paused") ? "paused" : "nothing";
}

/** What is told about an abandoned operation. */
export function recoveredOperation(
  record: OperationRecord,
  pause: RecoveredOperation["pause"],
  error?: Error,
): RecoveredOperation {
  const { id, callerId, kind, containerId, ref, startedAt, owner } = record;
  return {
    id,
    ...(callerId === undefined ? {} : { operationId: callerId }),
    kind,
    containerId,
    ...(ref === undefined ? {} : { ref }),
    startedAt,
    ...(owner === undefined ? {} : { pid: owner.pid, host: owner.host.split(" ")[0] ?? "" }),
    pause,
    ...(error === undefined ? {} : { error }),
  };
}
