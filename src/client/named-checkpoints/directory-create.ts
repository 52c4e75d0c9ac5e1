import { mkdirSync, renameSync } from "node:fs";
import { mkdir, open, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CallOptions } from "../../call-options.js";
import {
  type CheckpointManifest,
  type DumpFile,
  encodeManifest,
  MANIFEST_FILE,
  parseManifest,
} from "../../checkpoint/named/manifest.js";
import { type CheckpointOption, type CheckpointPlan, planCheckpoint } from "../../checkpoint/plan.js";
import { during, isFileError } from "../../content/layout/file-errors.js";
import { syncDirectory } from "../../content/layout/files.js";
import { InvalidArgumentError } from "../../errors.js";
import { type Captured, capture } from "../capture.js";
import { type CheckpointTarget, lookAtContainer, preflight } from "../checkpoint-preflight.js";
import type { CheckpointCall } from "../checkpointing.js";
import type { ContainerRecord } from "../container-record.js";
import { operate } from "../operate.js";
import type { Operation } from "../operation.js";
import { partialPath, removeLeftPartials } from "../partial-file.js";
import { prepareCapture } from "../prepare-capture.js";
import { Progress } from "../progress.js";
import type { Services } from "../services.js";
import { unpackSpec } from "../spec-any.js";
import { checkpointOfManifest } from "./checkpoint-directory.js";
import { isThere } from "./directory-delete.js";
import { fillDirectory } from "./directory-fill.js";
import { type CreatedCheckpoint, type NewCheckpoint, taken } from "./home.js";

const OWNER_ONLY = 0o700;

/**
 * Freezes a container's memory into a directory of its own in `directory`. It is made under a hidden name and gets its own when it is
 * whole and on the disk; only then does the task end, should it.
 */
export async function createInDirectory(
  services: Services,
  directory: string,
  { name, options, expiresAt }: NewCheckpoint,
  record: ContainerRecord,
  call: CheckpointCall,
): Promise<CreatedCheckpoint> {
  const startedAt = performance.now();
  const plan = memoryOnly(options);
  const progress = new Progress(call.onProgress);
  const path = join(directory, name);
  const { result, leftBehind } = await operate(
    services,
    // The name is locked like that of an image: no image can be called so by accident.
    { kind: "checkpoint", containerId: record.id, ref: path },
    { ...call, onPhase: (phase) => progress.enter(phase) },
    async (operation) => {
      const subject = await lookAtContainer(services, record.id, plan, operation.call);
      const partial = partialPath(path);
      const mended = await operation.begin({ partial });
      // It may have waited for its turn.
      await requireFreeDirectory(services, record.id, path);
      const target = await preflight(services, path, plan, subject, mended, operation.call);
      await makePartial(directory, partial, operation);
      const prepared = await prepareCapture(services, plan, target, operation);
      const stays = { ...prepared, criuOptions: undefined, keepsDump: true };
      const captured = await capture(services, plan, target, stays, operation, progress);
      const files = await during(`write checkpoint directory ${path}`, () =>
        fillDirectory(services, partial, prepared.directory?.images, captured.task, operation.call),
      );
      const manifest = await describe(services, partial, target, captured, files, expiresAt);
      await during(`write checkpoint directory ${path}`, () => syncFiles(partial, operation.call));
      operation.enter("register");
      // From here on it cannot be called off: it is about to be seen.
      operation.call.signal?.throwIfAborted();
      await operation.commit();
      await during(`write checkpoint directory ${path}`, () =>
        appear(partial, path, directory, (cause) => taken(services, record.id, name, cause)),
      );
      const pausedMs = await captured.release(plan.exit);
      operation.enter("done");
      // What lies there now may be gone already, or another one.
      const checkpoint = checkpointOfManifest(path, name, manifest);
      const { way, dumpMs, packMs } = captured;
      const bytes = { task: checkpoint.bytes, rw: 0, other: 0 };
      return { checkpoint, guarded: operation.guarded, cost: { pausedMs, way, dumpMs, packMs, bytes } };
    },
  );
  const totalMs = performance.now() - startedAt;
  return { ...result.checkpoint, cost: { totalMs, ...result.cost }, guarded: result.guarded, leftBehind };
}

/** @throws {AlreadyExistsError} when there is anything at a path where a checkpoint is to be */
export async function requireFreeDirectory(services: Services, containerId: string, path: string): Promise<void> {
  if (await during(`look at ${path}`, () => isThere(path))) throw taken(services, containerId, basename(path));
}

/** Docker's directories hold nothing but the memory, and what cannot be kept is refused. */
function memoryOnly(options: readonly CheckpointOption[]): CheckpointPlan {
  const others: CheckpointOption = (plan) => {
    const more = plan.rw ?? plan.image ?? plan.runtime;
    const extra = plan.parts.length + Object.keys({ ...plan.annotations, ...plan.labels }).length;
    if (more === true || extra > 0) {
      throw new InvalidArgumentError("Cannot keep more than the memory of a container in a checkpoint directory", {
        hint: "Leave out checkpointDir: as images checkpoints hold everything.",
      });
    }
    plan.task = true;
  };
  return planCheckpoint([...options, others]);
}

async function makePartial(directory: string, partial: string, operation: Operation): Promise<void> {
  await during(`make ${partial}`, async () => {
    await mkdir(directory, { mode: OWNER_ONLY, recursive: true });
    await removeLeftPartials(directory);
    operation.onFailure(`directory ${partial}`, () => rm(partial, { recursive: true, force: true }));
    await mkdir(partial, { mode: OWNER_ONLY });
  });
}

async function describe(
  services: Services,
  partial: string,
  { record, image }: CheckpointTarget,
  { at }: Captured,
  files: readonly DumpFile[],
  expiresAt: Date | undefined,
): Promise<CheckpointManifest> {
  const { name, digest, chainId } = image;
  const manifest = encodeManifest({
    createdAt: at,
    expiresAt,
    containerId: record.id,
    namespace: services.namespace,
    image: {
      ...(name === undefined ? {} : { name }),
      ...(digest === undefined ? {} : { digest }),
      ...(chainId === undefined ? {} : { chainId }),
    },
    runtime: record.runtime.name,
    snapshotter: record.snapshotter,
    spec: record.spec && unpackSpec(record.spec),
    files,
  });
  await during(`write checkpoint directory ${partial}`, () =>
    writeFile(join(partial, MANIFEST_FILE), manifest, { flag: "wx", mode: 0o600 }),
  );
  return parseManifest(Buffer.from(manifest));
}

/** All of it is on the disk before its name is. */
async function syncFiles(partial: string, { signal }: CallOptions): Promise<void> {
  for (const name of await readdir(partial)) {
    signal?.throwIfAborted();
    await using file = await open(join(partial, name), "r");
    await file.sync();
  }
  await syncDirectory(partial);
}

/** It takes a name that nobody has, and none that Docker only just began to fill; that is on the disk before anybody hears of it. */
async function appear(
  partial: string,
  path: string,
  directory: string,
  refusal: (cause: unknown) => Error,
): Promise<void> {
  // Renaming replaces an empty directory. One of ours has that name for so short that nobody here sees it.
  try {
    mkdirSync(path, OWNER_ONLY);
  } catch (reason) {
    throw isFileError(reason, "EEXIST") ? refusal(reason) : reason;
  }
  try {
    renameSync(partial, path);
  } catch (reason) {
    await rmdir(path).catch(() => {
      // Somebody has filled it: it is his.
    });
    throw isFileError(reason, "ENOTEMPTY", "EEXIST", "ENOTDIR") ? refusal(reason) : reason;
  }
  await syncDirectory(directory);
}
