import type { CallOptions } from "../call-options.js";
import { withDeadline } from "../content/deadline.js";
import { blobPath } from "../content/remote-file.js";
import { CanceledError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { CleanUp, type Undo } from "./clean-up.js";
import { unpackByDaemon } from "./daemon-unpack.js";
import { DumpArchive } from "./dump-archive.js";
import { type DumpDirectory, makeDumpDirectory } from "./dump-directory.js";
import { explainFull, requireDumpSpace } from "./dump-space.js";
import { once } from "./once.js";
import { newOperationId } from "./operation-id.js";
import { operationsHere } from "./recovery/owner.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";
import { registerThaw, type Thaw } from "./thaws.js";
import { together } from "./together.js";
import { workLabels } from "./under-lease.js";

/**
 * Begins to unpack a dump for a container's task, where the daemon's files are ours too; the daemon itself would leave a copy
 * of the memory in its temporary directory for good. `undefined` where that is the only way.
 *
 * @throws {FailedPreconditionError} when the dump holds anything but plain files
 * @throws {NotFoundError} when it is not in the store
 * @throws {DataLossError} when it is not what it should be
 * @throws {ResourceExhaustedError} when there is no room for it
 */
export async function beginThaw(
  services: Services,
  containerId: string,
  dump: Descriptor,
  call: CallOptions,
): Promise<Thaw | undefined> {
  const shared = await sharedRoot(services, call);
  if (shared === undefined) return undefined;
  const cleanUp = new CleanUp();
  try {
    const [directory, archive] = await together([
      directoryWithRoom(services, dump.size, cleanUp, call),
      openArchive(blobPath(shared.content, dump.digest), dump, cleanUp, call),
    ]);
    if (archive === undefined || directory === undefined) {
      await cleanUp.run(false);
      return undefined;
    }
    const fill = (timed: CallOptions) => unpack(services, archive, directory, timed);
    return registerThaw(services, containerId, startThaw(fill, directory, cleanUp, call));
  } catch (reason) {
    await cleanUp.run(true);
    throw reason;
  }
}

/** A dump that is brought into the directory it is thawed from. */
export interface BroughtDump {
  readonly bytes: number;
  /** Whether it takes no room in that directory. */
  takesNone(images: string): Promise<boolean>;
  fill(images: string, call: CallOptions): Promise<void>;
}

/** As {@link beginThaw}, for a dump that lies somewhere else. */
export async function beginThawFrom(
  services: Services,
  containerId: string,
  dump: BroughtDump,
  call: CallOptions,
): Promise<Thaw | undefined> {
  const cleanUp = new CleanUp();
  try {
    if ((await sharedRoot(services, call)) === undefined) return undefined;
    const directory = await directoryFor(services, dump.bytes, cleanUp, call);
    if (directory === undefined) {
      await cleanUp.run(false);
      return undefined;
    }
    if (!(await dump.takesNone(directory.images))) await requireDumpSpace(directory, false);
    const filled = (timed: CallOptions) => dump.fill(directory.images, timed);
    return registerThaw(services, containerId, startThaw(filled, directory, cleanUp, call));
  } catch (reason) {
    await cleanUp.run(true);
    throw reason;
  }
}

async function openArchive(
  path: string,
  dump: Descriptor,
  cleanUp: CleanUp,
  call: CallOptions,
): Promise<DumpArchive | undefined> {
  const archive = await DumpArchive.open(path, dump, call);
  if (archive !== undefined) cleanUp.atEnd(`file ${path}`, () => archive.close());
  return archive;
}

/** The lease comes first: by it others see that the directory is in use. */
async function directoryFor(
  services: Services,
  bytes: number,
  cleanUp: CleanUp,
  call: CallOptions,
): Promise<DumpDirectory | undefined> {
  const id = newOperationId("thaw");
  operationsHere.add(id);
  await cleanUp.hold(
    `lease ${id}`,
    (made) => services.leases.create({ ...made, id, labels: workLabels(id, "thaw") }),
    async (end) => {
      try {
        await services.leases.delete({ id }, end);
      } finally {
        operationsHere.delete(id);
      }
    },
    call.signal,
  );
  const owner = { id, atEnd: (what: string, undo: Undo) => cleanUp.atEnd(what, undo) };
  return makeDumpDirectory(services, owner, bytes, call);
}

async function directoryWithRoom(
  services: Services,
  bytes: number,
  cleanUp: CleanUp,
  call: CallOptions,
): Promise<DumpDirectory | undefined> {
  const directory = await directoryFor(services, bytes, cleanUp, call);
  if (directory !== undefined) await requireDumpSpace(directory, false);
  return directory;
}

function startThaw(
  fill: (call: CallOptions) => Promise<void>,
  directory: DumpDirectory,
  cleanUp: CleanUp,
  call: CallOptions,
): Thaw {
  const stop = new AbortController();
  const signal = call.signal === undefined ? stop.signal : AbortSignal.any([call.signal, stop.signal]);
  const unpacked = withDeadline("Unpacking the dump", { ...call, signal }, fill);
  // Whoever makes the task waits for it, but not yet.
  unpacked.catch(() => {});
  return {
    images: directory.images,
    unpacked,
    end: once(async () => {
      stop.abort(new CanceledError("The task to be thawed is gone, or the client was closed"));
      await unpacked.catch(() => {});
      await cleanUp.run(false);
    }),
  };
}

/** The daemon's own hands are as quick as ours, and leave ours free; of a file that is known to be in order nothing need be hashed. */
async function unpack(
  services: Services,
  archive: DumpArchive,
  directory: DumpDirectory,
  call: CallOptions,
): Promise<void> {
  const { images } = directory;
  try {
    if (!archive.isInOrder && (await unpackByDaemon(services, archive, images, call))) archive.foundInOrder();
    else {
      // Which namespaces have the blob is not to be seen in its file.
      await services.content.info(archive.dump.digest, call);
      await archive.unpack(images, call);
    }
    await archive.close();
  } catch (reason) {
    throw await explainFull(reason, directory);
  }
}
