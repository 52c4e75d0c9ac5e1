import { readdir } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { isCheckpointName } from "../../checkpoint/named/name.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { during, isFileError } from "../../content/layout/file-errors.js";
import { InvalidArgumentError, isContainerdError, isNotFound } from "../../errors.js";
import type { CheckpointCall } from "../checkpointing.js";
import type { ContainerRecord } from "../container-record.js";
import type { Services } from "../services.js";
import { type CheckpointDirectory, readCheckpointDirectory } from "./checkpoint-directory.js";
import { createInDirectory, requireFreeDirectory } from "./directory-create.js";
import { deleteDirectory, requireCheckpoint } from "./directory-delete.js";
import { type CreatedCheckpoint, type Home, type NewCheckpoint, noCheckpoint } from "./home.js";

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

  requireFree(name: string): Promise<void> {
    return requireFreeDirectory(this.#services, this.#containerId, join(this.#directory, name));
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

  async *list(call: CallOptions): AsyncGenerator<NamedCheckpoint, void, undefined> {
    for await (const { checkpoint } of this.#directories(call)) yield checkpoint;
  }

  async *own(call: CallOptions): AsyncGenerator<NamedCheckpoint, void, undefined> {
    for await (const { checkpoint, namespace } of this.#directories(call)) {
      if (checkpoint.containerId === this.#containerId && namespace === this.#services.namespace) yield checkpoint;
    }
  }

  async *#directories({ signal }: CallOptions): AsyncGenerator<CheckpointDirectory, void, undefined> {
    for (const name of await during(`list ${this.#directory}`, () => namesIn(this.#directory))) {
      signal?.throwIfAborted();
      const one = await readCheckpointDirectory(this.#directory, name).catch((reason: unknown) => {
        if (!isContainerdError(reason)) throw reason;
      });
      if (one !== undefined) yield one;
    }
  }

  requireDeletable(name: string): Promise<void> {
    return requireCheckpoint(this.#services, this.#containerId, join(this.#directory, name));
  }

  delete(name: string, call: CallOptions): Promise<void> {
    return deleteDirectory(this.#services, this.#containerId, join(this.#directory, name), call);
  }

  deleteThis(judged: NamedCheckpoint, call: CallOptions): Promise<void> {
    return deleteDirectory(this.#services, this.#containerId, join(this.#directory, judged.name), call, judged);
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
