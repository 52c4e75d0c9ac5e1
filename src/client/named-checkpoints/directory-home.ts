import { lstat, readdir, rename, rm } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { MANIFEST_FILE } from "../../checkpoint/named/manifest.js";
import { isCheckpointName } from "../../checkpoint/named/name.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { during, isFileError } from "../../content/layout/file-errors.js";
import { syncDirectory } from "../../content/layout/files.js";
import { FailedPreconditionError, InvalidArgumentError, isContainerdError, isNotFound } from "../../errors.js";
import type { CheckpointCall } from "../checkpointing.js";
import { CleanUp } from "../clean-up.js";
import type { ContainerRecord } from "../container-record.js";
import { newOperationId } from "../operation-id.js";
import { partialPath } from "../partial-file.js";
import { operationsHere } from "../recovery/owner.js";
import type { Services } from "../services.js";
import { workLabels } from "../under-lease.js";
import { type CheckpointDirectory, readCheckpointDirectory } from "./checkpoint-directory.js";
import { createInDirectory } from "./directory-create.js";
import { type CreatedCheckpoint, type Home, type NewCheckpoint, noCheckpoint, taken } from "./home.js";

/** What criu and Docker leave in a checkpoint directory, whole or not. */
const knownFile = /(?:\.img|\.json|\.log|^stats-dump|^\.?tmp.*)$/;
const knownDirectory = "criu.work";

/** A directory of this machine as a home: each checkpoint is one of its own in it, as Docker has it. */
export class DirectoryHome implements Home {
  readonly #services: Services;
  readonly #containerId: string;
  readonly #directory: string;

  /** @throws {InvalidArgumentError} when the path is not absolute */
  constructor(services: Services, containerId: string, checkpointDir: string) {
    if (!isAbsolute(checkpointDir) || checkpointDir.includes("\0")) {
      throw new InvalidArgumentError(
        `Cannot keep checkpoints in ${JSON.stringify(checkpointDir.slice(0, 160))}: expected an absolute path`,
      );
    }
    this.#services = services;
    this.#containerId = containerId;
    this.#directory = normalize(checkpointDir);
  }

  async requireFree(name: string): Promise<void> {
    const path = join(this.#directory, name);
    if (!(await during(`look at ${path}`, () => isThere(path)))) return;
    throw taken(this.#services, this.#containerId, name);
  }

  create(wanted: NewCheckpoint, record: ContainerRecord, call: CheckpointCall): Promise<CreatedCheckpoint> {
    return createInDirectory(this.#services, this.#directory, wanted, record, call);
  }

  async get(name: string): Promise<NamedCheckpoint> {
    return (await this.open(name)).checkpoint;
  }

  /** The directory of one, with the names of its files. */
  async open(name: string): Promise<CheckpointDirectory> {
    try {
      return await readCheckpointDirectory(this.#directory, name);
    } catch (reason) {
      if (!isBroken(reason)) throw reason;
      throw noCheckpoint(this.#services, this.#containerId, name, {
        cause: reason,
        ...(isNotFound(reason) ? {} : { hint: `${reason.message}.` }),
      });
    }
  }

  async *list({ signal }: CallOptions): AsyncGenerator<NamedCheckpoint, void, undefined> {
    for (const name of await during(`list ${this.#directory}`, () => namesIn(this.#directory))) {
      signal?.throwIfAborted();
      const one = await readCheckpointDirectory(this.#directory, name).catch((reason: unknown) => {
        if (!isContainerdError(reason)) throw reason;
      });
      if (one !== undefined) yield one.checkpoint;
    }
  }

  /** It is gone at once, by a name that none has; what is left of it then is known by a lease until it is gone, too. */
  async delete(name: string, { signal }: CallOptions): Promise<void> {
    const path = join(this.#directory, name);
    await this.#requireCheckpoint(path, name);
    const { leases } = this.#services;
    const id = newOperationId("delete");
    const partial = partialPath(path);
    const cleanUp = new CleanUp();
    operationsHere.add(id);
    const labels = workLabels(id, "delete", partial);
    try {
      await cleanUp.hold(
        `lease ${id}`,
        (made) => leases.create({ ...made, id, labels }),
        (end) => leases.delete({ id }, end),
        signal,
      );
      await during(`delete checkpoint directory ${path}`, async () => {
        await rename(path, partial).catch((reason: unknown) => {
          throw isFileError(reason, "ENOENT") ? noCheckpoint(this.#services, this.#containerId, name) : reason;
        });
        await syncDirectory(this.#directory);
        await rm(partial, { recursive: true });
        await syncDirectory(this.#directory);
      });
    } finally {
      await cleanUp.run(false);
      operationsHere.delete(id);
    }
  }

  /** One that is half made may go, too; a directory with anything else in it is somebody's. */
  async #requireCheckpoint(path: string, name: string): Promise<void> {
    const strange = await during(`look at ${path}`, () => strangerIn(path));
    if (strange === undefined) return;
    if (strange === "") throw noCheckpoint(this.#services, this.#containerId, name);
    throw new FailedPreconditionError(
      `Cannot delete checkpoint ${JSON.stringify(name)} of container ${this.#containerId}: ${path} holds ${JSON.stringify(strange)}, which is no checkpoint's`,
      { namespace: this.#services.namespace },
    );
  }
}

function isBroken(reason: unknown): reason is Error {
  return (["not_found", "data_loss", "invalid_argument", "failed_precondition"] as const).some((code) =>
    isContainerdError(reason, code),
  );
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return names.filter(isCheckpointName).sort();
  } catch (reason) {
    if (isFileError(reason, "ENOENT")) return [];
    throw reason;
  }
}

/** What in a directory belongs to no checkpoint; empty when there is no directory at all. */
async function strangerIn(path: string): Promise<string | undefined> {
  if (!(await isThere(path)) || !(await lstat(path)).isDirectory()) return "";
  const entries = await readdir(path, { withFileTypes: true });
  if (entries.some(({ name }) => name === MANIFEST_FILE)) return undefined;
  return entries.find((entry) => (entry.isFile() ? !knownFile.test(entry.name) : entry.name !== knownDirectory))?.name;
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (reason: unknown) => {
      if (isFileError(reason, "ENOENT")) return false;
      throw reason;
    },
  );
}
