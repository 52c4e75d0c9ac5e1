import { createReadStream } from "node:fs";
import { link, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { CheckpointMediaType } from "../../checkpoint/media-types.js";
import { SIMULATED_DUMP } from "../../checkpoint/simulated-dump.js";
import { writeBlob } from "../../content/blob.js";
import { during, isFileError } from "../../content/layout/file-errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { writeTar } from "../../tar/tar.js";
import { requireKind } from "../dump-kind.js";
import { newOperationId } from "../operation-id.js";
import type { Services } from "../services.js";
import { type BroughtDump, beginThawFrom } from "../thawing.js";
import type { Thaw } from "../thaws.js";
import { type ContentHold, holdContent } from "../under-lease.js";
import type { CheckpointDirectory } from "./checkpoint-directory.js";
import { DirectoryHome } from "./directory-home.js";
import { copyAcross } from "./file-copy.js";

/** A dump of a checkpoint directory where the daemon can have it. */
export interface DirectoryDump {
  /** As files in a directory of ours. */
  readonly thaw?: Thaw;
  /** In the daemon's store, held until the task is made. */
  readonly dump?: Descriptor;
  readonly hold?: ContentHold;
}

/**
 * Brings the dump of a named checkpoint where the daemon can thaw it from: beside its other files when it shares them with us and
 * its runtime thaws from there (`direct`), else into its store. What becomes of the checkpoint afterwards is no matter.
 *
 * @throws {NotFoundError} when there is no checkpoint of that name
 * @throws {FailedPreconditionError} when it is of the kind the daemon cannot thaw
 */
export async function dumpOfDirectory(
  services: Services,
  containerId: string,
  name: string,
  checkpointDir: string,
  direct: boolean,
  call: CallOptions,
): Promise<DirectoryDump> {
  const directory = await new DirectoryHome(services, containerId, checkpointDir).open(name);
  const simulated = directory.files.some((file) => file.name === SIMULATED_DUMP);
  await requireKind(services, simulated, `checkpoint ${directory.path}`, call);
  if (direct) {
    const brought: BroughtDump = {
      bytes: directory.checkpoint.bytes,
      takesNone: (images) => canLink(directory, images),
      fill: (images, { signal }) => bring(directory, images, signal),
    };
    const thaw = await beginThawFrom(services, containerId, brought, call);
    if (thaw !== undefined) return { thaw };
  }
  const hold = await holdContent(services, "thaw", call);
  try {
    const options = { mediaType: CheckpointMediaType.task, ref: newOperationId("thaw") };
    const dump = await writeBlob(services.content, packed(directory), options, { ...call, lease: hold.lease });
    return { dump, hold };
  } catch (reason) {
    await hold[Symbol.asyncDispose]();
    throw reason;
  }
}

/** Whether its files can be linked there: then they take no room. */
async function canLink({ path, files }: CheckpointDirectory, to: string): Promise<boolean> {
  const name = files[0]?.name ?? "";
  return during(`read checkpoint directory ${path}`, async () => {
    try {
      await link(join(path, name), join(to, name));
      await unlink(join(to, name));
      return true;
    } catch (reason) {
      if (isUnlinkable(reason)) return false;
      throw reason;
    }
  });
}

function isUnlinkable(reason: unknown): boolean {
  return isFileError(reason, "EXDEV", "EPERM", "EMLINK");
}

/** On one disk the files need not be copied. */
async function bring({ path, files }: CheckpointDirectory, to: string, signal?: AbortSignal): Promise<void> {
  await during(`read checkpoint directory ${path}`, async () => {
    for (const { name } of files) {
      signal?.throwIfAborted();
      await link(join(path, name), join(to, name)).catch(async (reason: unknown) => {
        if (!isUnlinkable(reason)) throw reason;
        await copyAcross(join(path, name), join(to, name), signal);
      });
    }
  });
}

function packed({ path, files }: CheckpointDirectory): AsyncIterable<Uint8Array> {
  // The one file by which a dump of simulated tasks is known comes first.
  const rank = ({ name }: { readonly name: string }) => (name === SIMULATED_DUMP ? 0 : 1);
  const ordered = [...files].sort((a, b) => rank(a) - rank(b));
  return writeTar(
    ordered.map(({ name, size }) => ({ name, size, mode: 0o600, body: () => createReadStream(join(path, name)) })),
  );
}
