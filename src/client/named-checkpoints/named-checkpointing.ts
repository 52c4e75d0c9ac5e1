import type { CallOptions } from "../../call-options.js";
import { requireCheckpointName } from "../../checkpoint/named/name.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { type PrunedCheckpoint, planRetention } from "../../checkpoint/named/retention.js";
import { withCheckpointTaskExit } from "../../checkpoint/plan.js";
import { orUndefined } from "../../content/found.js";
import { InvalidArgumentError, isContainerdError, isNotFound } from "../../errors.js";
import { publishEvent } from "../events.js";
import type { Services } from "../services.js";
import { findTask } from "../task.js";
import { DirectoryHome } from "./directory-home.js";
import { type CreatedCheckpoint, type Home, notRunning } from "./home.js";
import { ImageHome } from "./image-home.js";
import type {
  CreateNamedCheckpointOptions,
  FailedPrune,
  NamedCheckpointsCall,
  PruneOptions,
  PruneResult,
} from "./named-checkpoints.js";

const EVENT_MS = 10_000;
const TOPIC = "/tasks/checkpointed";

/** Makes a checkpoint of a container that runs, under a name that is free, and tells so. */
export async function createNamed(
  services: Services,
  containerId: string,
  name: string,
  options: CreateNamedCheckpointOptions,
): Promise<CreatedCheckpoint> {
  requireCheckpointName(name);
  const { checkpointDir, exit = false, options: more = [], expiresAt, ...call } = options;
  requireInstant(expiresAt);
  const home = homeOf(services, containerId, checkpointDir);
  const { signal, timeoutMs } = call;
  const look: CallOptions = { signal, timeoutMs };
  const [record, found] = await Promise.all([
    services.containers.info(containerId, look),
    orUndefined(findTask(services, containerId, look)),
  ]);
  const status = found?.status ?? "absent";
  // Whoever pauses it may be another operation, and that is said once it is known.
  if (status !== "running" && status !== "paused" && status !== "pausing")
    throw notRunning(services, containerId, status);
  await home.requireFree(name, look);
  const all = exit ? [...more, withCheckpointTaskExit()] : more;
  const made = await home.create({ name, options: all, expiresAt }, record, call);
  return { ...made, leftBehind: [...made.leftBehind, ...(await tell(services, containerId, name))] };
}

/** Reads a checkpoint by its name. */
export async function getNamed(
  services: Services,
  containerId: string,
  name: string,
  { checkpointDir, ...call }: NamedCheckpointsCall,
): Promise<NamedCheckpoint> {
  requireCheckpointName(name);
  return homeOf(services, containerId, checkpointDir).get(name, call);
}

/** Yields those that are whole. */
export function listNamed(
  services: Services,
  containerId: string,
  { checkpointDir, ...call }: NamedCheckpointsCall,
): AsyncIterable<NamedCheckpoint> {
  return homeOf(services, containerId, checkpointDir).list(call);
}

/** Removes a checkpoint by its name. */
export async function deleteNamed(
  services: Services,
  containerId: string,
  name: string,
  { checkpointDir, ...call }: NamedCheckpointsCall,
): Promise<void> {
  requireCheckpointName(name);
  await homeOf(services, containerId, checkpointDir).delete(name, call);
}

/** Removes those of the container that have expired or that no rule keeps, oldest first. */
export async function pruneNamed(services: Services, containerId: string, options: PruneOptions): Promise<PruneResult> {
  const { checkpointDir, keepLast, keepWithinMs, maxBytes, dryRun = false, ...call } = options;
  const rules = { keepLast, keepWithinMs, maxBytes };
  planRetention([], rules, new Date());
  const home = homeOf(services, containerId, checkpointDir);
  const own: NamedCheckpoint[] = [];
  for await (const one of home.own(call)) own.push(one);
  const plan = planRetention(own, rules, new Date());
  const replaced: NamedCheckpoint[] = [];
  const gone: PrunedCheckpoint[] = [];
  const failed: FailedPrune[] = [];
  for (const pruned of plan.gone) {
    try {
      const now = await (dryRun ? lookAtJudged : deleteJudged)(home, pruned.checkpoint, call);
      if (now === undefined) gone.push(pruned);
      else replaced.unshift(now);
    } catch (error) {
      if (call.signal?.aborted || !isContainerdError(error)) throw error;
      failed.push({ ...pruned, error });
    }
  }
  return { kept: [...replaced, ...plan.kept], gone, failed };
}

/** Finds out whether there is anything in the way of removing it. */
async function lookAtJudged(home: Home, { name }: NamedCheckpoint): Promise<undefined> {
  await orUndefined(home.requireDeletable(name));
}

/** Removes what was judged. Resolves to the one that has its name by now, if somebody has replaced it meanwhile. */
async function deleteJudged(
  home: Home,
  judged: NamedCheckpoint,
  call: CallOptions,
): Promise<NamedCheckpoint | undefined> {
  try {
    await home.deleteThis(judged, call);
    return undefined;
  } catch (reason) {
    if (!isNotFound(reason)) throw reason;
    return orUndefined(home.get(judged.name, call));
  }
}

function homeOf(services: Services, containerId: string, checkpointDir: string | undefined): Home {
  if (checkpointDir !== undefined) return new DirectoryHome(services, containerId, checkpointDir);
  return new ImageHome(services, containerId);
}

/** The checkpoint is made: that others could not be told is no reason to say that it is not. */
async function tell(services: Services, containerId: string, name: string): Promise<string[]> {
  try {
    await publishEvent(services.rpc, TOPIC, { containerId, checkpoint: name }, { timeoutMs: EVENT_MS });
    return [];
  } catch (reason) {
    return [`event ${TOPIC}: ${reason instanceof Error ? reason.message : String(reason)}`];
  }
}

function requireInstant(expiresAt: Date | undefined): void {
  if (expiresAt === undefined || !Number.isNaN(expiresAt.getTime())) return;
  throw new InvalidArgumentError("Cannot create a checkpoint that expires at an invalid date");
}
