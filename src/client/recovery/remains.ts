import { lstat, rm, unlink } from "node:fs/promises";
import { basename, dirname, isAbsolute } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { CRIU_CONFIG_LABEL } from "../../checkpoint/criu-config.js";
import { orUndefined } from "../../content/found.js";
import { isNotFound } from "../../errors.js";
import { removeDaemonDumps } from "../../guardian/daemon-dumps.js";
import { isOwnCriuConfig } from "../criu-config-file.js";
import { dumpPath } from "../dump-directory.js";
import { isLeftPartial } from "../partial-file.js";
import type { Services } from "../services.js";
import { sharedRoot } from "../shared-root.js";
import { findTask } from "../task.js";
import type { FoundOperation } from "./abandoned.js";
import type { Intent } from "./intent.js";
import type { OperationRecord } from "./operation-record.js";
import { daemonDumps, STRAY_DUMP } from "./stray-dumps.js";

const CALL_MS = 60_000;
/** What has a directory with a task's memory in it. */
const dumps: readonly string[] = ["checkpoint", "thaw"];

/** What became of what an operation left; each thing in words, such as `ingest containerd-client-…/rw`. */
export interface Remains {
  readonly removed: readonly string[];
  /** What is the only copy of something, or could not be removed. */
  readonly kept: readonly string[];
  /** What only somebody on the daemon's machine can remove, if it is there. */
  readonly onHost: readonly string[];
}

/**
 * Removes what an abandoned operation left, its leases last; with the first of them the daemon collects its garbage. A memory that
 * is nowhere else stays, under its lease.
 */
export async function removeRemains(
  services: Services,
  found: FoundOperation,
  intents: readonly Intent[],
): Promise<Remains> {
  const { record } = found;
  const call = { timeoutMs: CALL_MS };
  const removed: string[] = [];
  const kept: string[] = [];
  const onHost: string[] = [];
  let writtenTo = false;
  for (const file of await filesOf(services, record, call)) {
    if (services.local) await file.remove();
    (services.local ? removed : onHost).push(file.name);
  }
  if (!services.local && dumps.includes(record.kind)) {
    const content = await services.introspection.contentRoot(call);
    const dump = content === undefined ? "" : dumpPath(dirname(content), services.namespace, record.id);
    if (dump !== "") onHost.push(`directory ${dump}, if it is there: containerd-client sweep, run there, removes it`);
  }
  if (intents.some(({ kind }) => kind === "temporary")) {
    const dumps = await daemonDumps(services, record, call);
    if (dumps === undefined) onHost.push(STRAY_DUMP);
    else {
      const { removed: gone, busy } = await removeDaemonDumps(dumps);
      removed.push(...gone.map((path) => `directory ${path}`));
      kept.push(...busy.map((path) => `directory ${path}: it is being written to`));
      writtenTo = busy.length > 0;
    }
  }
  const { partial, owner } = record;
  if (partial !== undefined && (await isLeftPartial(partial))) {
    if (await isThere(partial)) removed.push(`file ${partial}`);
    await rm(partial, { recursive: true, force: true });
  } else if (partial !== undefined) {
    onHost.push(`file ${partial}, if it is there, on ${owner?.host.split(" ")[0]}`);
  }
  const own = found.leases.filter(({ id }) => id === record.id);
  const locks = found.leases.filter(({ id }) => id !== record.id);
  const onlyCopy = await isOnlyCopy(services, record, intents, call);
  for (const lease of own) {
    if (onlyCopy) {
      kept.push(`lease ${lease.id}: it keeps the memory of a task that criu has ended, until it expires`);
      continue;
    }
    removed.push(...(await abortIngests(services, lease, call)));
    if (writtenTo) {
      kept.push(`lease ${lease.id}: it says that the daemon has the memory of a task in its temporary directory`);
      continue;
    }
    await gone(services.leases.delete(lease, { ...call, sync: true }));
    removed.push(`lease ${lease.id}`);
  }
  for (const lease of locks) {
    await gone(services.leases.delete(lease, call));
    removed.push(`lease ${lease.id}`);
  }
  return { removed, kept, onHost };
}

interface OwnFile {
  readonly name: string;
  readonly remove: () => Promise<unknown>;
}

async function filesOf(services: Services, record: OperationRecord, call: CallOptions): Promise<OwnFile[]> {
  const files: OwnFile[] = [];
  const { file, containerId } = record;
  if (file !== undefined && isAbsolute(file) && basename(file) === `${containerId}.criu.conf`) {
    const container = await orUndefined(services.containers.info(containerId, call));
    // A container that was made in the end has it; and another's may have that name in the same directory.
    if (container?.labels[CRIU_CONFIG_LABEL] !== file && (await isOwnCriuConfig(services, containerId, file, call))) {
      files.push({ name: `file ${file}`, remove: () => unlink(file).catch(ignoreAbsent) });
    }
  }
  const root = (await sharedRoot(services, call))?.root;
  if (root !== undefined) {
    const path = dumpPath(root, services.namespace, record.id);
    const remove = () => rm(path, { recursive: true, force: true });
    if (await isThere(path)) files.push({ name: `directory ${path}`, remove });
  }
  return files;
}

/** The lease holds on to ingests, but a daemon's own writer may hold on to them as well: aborted they are gone at once. */
async function abortIngests(
  services: Services,
  lease: { readonly id: string },
  call: CallOptions,
): Promise<readonly string[]> {
  const aborted: string[] = [];
  const resources = await orUndefined(collect(services.leases.resources(lease, call)));
  for (const resource of resources ?? []) {
    if (resource.type !== "ingests") continue;
    if (await gone(services.content.abort(resource.id, call))) aborted.push(`ingest ${resource.id}`);
  }
  return aborted;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function isOnlyCopy(
  services: Services,
  { containerId }: OperationRecord,
  intents: readonly Intent[],
  call: CallOptions,
): Promise<boolean> {
  const ended = intents.find(({ kind }) => kind === "ended");
  if (ended === undefined) return false;
  const found = await orUndefined(findTask(services, containerId, call));
  return found === undefined || found.task.pid !== ended.pid || found.status === "stopped";
}

/** Waits for a removal; that there is nothing to remove is as good. Resolves to whether there was. */
async function gone(removal: Promise<unknown>): Promise<boolean> {
  try {
    await removal;
    return true;
  } catch (reason) {
    if (isNotFound(reason)) return false;
    throw reason;
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (reason: unknown) => {
      ignoreAbsent(reason);
      return false;
    },
  );
}

function ignoreAbsent(reason: unknown): void {
  if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
}
