import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { dumpHome, removeDump } from "../dump-directory.js";
import { newOperationId } from "../operation-id.js";
import type { Services } from "../services.js";
import { sharedRoot } from "../shared-root.js";
import { type FoundOperation, findOperations, intentsOf, isLeft, withAbandoned } from "./abandoned.js";
import { operationsHere } from "./owner.js";
import {
  busyWhenLocked,
  failureOfOne,
  lookAt,
  type RecoveredOperation,
  type RecoverOptions,
  recoveredOperation,
  recoverOne,
} from "./recover.js";
import { type Remains, removeRemains } from "./remains.js";
import { strayFifos } from "./stray-fifos.js";

/**
 * What a sweep found and did; each thing in words, such as `lease containerd-client-…`.
 *
 * @inline
 */
export interface SweepResult {
  /** The operations whose process is gone, and what was done about their tasks. */
  readonly operations: readonly RecoveredOperation[];
  /** What was removed; in a dry run, what would be. */
  readonly removed: readonly string[];
  /** What stays, and why. */
  readonly kept: readonly string[];
  /** What may be on the daemon's machine, where only a process there can remove it. */
  readonly onHost: readonly string[];
}

const CALL_MS = 60_000;

/** Removes what operations left that nobody works at any more, and has the daemon collect its garbage. */
export async function sweepOperations(services: Services, options: RecoverOptions): Promise<SweepResult> {
  const { dryRun = false, ...call } = options;
  // Looked at first: the operation of a directory has a lease before it has the directory.
  const dumps = await dumpDirectories(services, call);
  const operations: RecoveredOperation[] = [];
  const alive = new Set<string>();
  const all: Remains[] = [];
  for (const found of await findOperations(services, call)) {
    call.signal?.throwIfAborted();
    const { operation, remains, stays } = await sweepOne(services, found, options);
    if (stays) alive.add(found.record.id);
    if (operation !== undefined) operations.push(operation);
    if (remains !== undefined) all.push(remains);
  }
  const stray = dumps.filter((path) => {
    const id = decodeURIComponent(basename(path));
    return !alive.has(id) && !operationsHere.has(id);
  });
  const fifos = await strayFifos(services, call);
  if (!dryRun) {
    for (const path of stray) await removeDump(path);
    for (const path of fifos) await rm(path, { recursive: true, force: true });
    await collectGarbage(services);
  }
  const directories = [...stray, ...fifos];
  return {
    operations,
    removed: [
      ...new Set([...all.flatMap(({ removed }) => removed), ...directories.map((path) => `directory ${path}`)]),
    ],
    kept: all.flatMap(({ kept }) => kept),
    onHost: [...new Set(all.flatMap(({ onHost }) => onHost))],
  };
}

/** What became of one operation, and whether its directories are to stay. */
interface Swept {
  readonly operation?: RecoveredOperation;
  readonly remains?: Remains;
  readonly stays: boolean;
}

async function sweepOne(services: Services, found: FoundOperation, options: RecoverOptions): Promise<Swept> {
  const { dryRun = false, ...call } = options;
  const { record } = found;
  let pause: RecoveredOperation["pause"] = "failed";
  try {
    if (!(await isLeft(services, found, call))) return { stays: true };
    if (dryRun) {
      const operation = recoveredOperation(record, await lookAt(services, found, call));
      return { operation, remains: { removed: leasesOf(found), kept: [], onHost: [] }, stays: false };
    }
    pause = await recoverOne(services, found);
    const operation = recoveredOperation(record, pause);
    const why = `it says that the task of container ${record.containerId} is paused`;
    if (pause === "split") return { operation, remains: kept(found, why), stays: false };
    const remains = await busyWhenLocked(() => removeOne(services, found));
    return remains === "busy" ? { operation, stays: true } : { operation, remains, stays: false };
  } catch (reason) {
    const error = await failureOfOne(services, record, reason, call);
    return { operation: recoveredOperation(record, pause, error), remains: kept(found, error.message), stays: true };
  }
}

function removeOne(services: Services, { record }: FoundOperation): Promise<Remains | undefined> {
  return withAbandoned(services, record, async (own) =>
    removeRemains(services, own, await intentsOf(services, own, { timeoutMs: CALL_MS })),
  );
}

function leasesOf({ leases }: FoundOperation): string[] {
  return leases.map(({ id }) => `lease ${id}`);
}

/** What stays must be known to whoever comes next. */
function kept(found: FoundOperation, why: string): Remains {
  return { removed: [], kept: leasesOf(found).map((lease) => `${lease}: ${why}`), onHost: [] };
}

/** The dump directories of the namespace, whosever they are. */
async function dumpDirectories(services: Services, call: CallOptions): Promise<string[]> {
  const root = (await sharedRoot(services, call))?.root;
  if (root === undefined) return [];
  const home = dumpHome(root, services.namespace);
  const names = await readdir(home).catch((reason: unknown) => {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw reason;
  });
  return names.map((name) => join(home, name));
}

/** A daemon collects when a lease is deleted, and when that is asked of it waits until it is done. */
async function collectGarbage({ leases }: Services): Promise<void> {
  const call = { timeoutMs: CALL_MS };
  const id = newOperationId("sweep");
  const lease = await leases.create({ id, expiresInMs: CALL_MS, ...call });
  await leases.delete(lease, { ...call, sync: true });
}
