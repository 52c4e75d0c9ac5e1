import { createReadStream } from "node:fs";
import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointMediaType } from "../checkpoint/media-types.js";
import { SIMULATED_DUMP } from "../checkpoint/simulated-dump.js";
import { writeBlob } from "../content/blob.js";
import { DataLossError, ResourceExhaustedError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { writeTar } from "../tar/tar.js";
import { encodeAny } from "../typeurl.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import type { Operation } from "./operation.js";
import { processTree, readProc } from "./process-tree.js";
import type { Services } from "./services.js";

const CHUNK = 1024 * 1024;
const OWNER_ONLY = 0o700;
// What criu writes beside the memory, and what everybody else needs meanwhile.
const SPARE_BYTES = 64 * 1024 * 1024;

/**
 * Makes a directory for a dump, where the daemon's files are seen on this machine under the daemon's own paths: beside its
 * content, mode 0700. It goes when the operation ends. `undefined` when the daemon's files are elsewhere.
 *
 * @throws {ResourceExhaustedError} when the task's memory would not fit
 */
export async function dumpDirectory(
  services: Services,
  target: CheckpointTarget,
  operation: Operation,
): Promise<string | undefined> {
  const root = services.local ? await services.introspection.contentRoot(operation.call) : undefined;
  if (root === undefined || !(await isOurs(root, target))) return undefined;
  const home = join(dirname(root), "containerd-client");
  const directory = join(home, basename(operation.id));
  try {
    await mkdir(home, { mode: OWNER_ONLY, recursive: true });
    await mkdir(directory, { mode: OWNER_ONLY });
  } catch {
    // Not root, or a read-only view of the daemon's files: the daemon's own way works without them.
    return undefined;
  }
  operation.atEnd(`dump in ${directory}`, () => rm(directory, { recursive: true, force: true }));
  await requireSpace(directory, target);
  return directory;
}

/** The same path may be another file in another mount namespace; the same blob with the same size is no accident. */
async function isOurs(root: string, { image }: CheckpointTarget): Promise<boolean> {
  if (image.digest === undefined || image.size === undefined) return false;
  const [algorithm = "", hex = ""] = image.digest.split(":");
  try {
    return (await stat(join(root, "blobs", algorithm, hex))).size === image.size;
  } catch {
    return false;
  }
}

async function requireSpace(directory: string, { task, record }: CheckpointTarget): Promise<void> {
  if (task === undefined) return;
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  let resident = 0;
  for await (const pid of processTree(task.pid)) resident += await residentBytes(pid);
  if (resident + SPARE_BYTES <= free) return;
  throw new ResourceExhaustedError(
    `Cannot checkpoint container ${record.id}: ${directory} has ${free} bytes free, its memory takes ${resident}`,
    { hint: "Free space on the daemon's disk." },
  );
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readProc(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Packs a finished dump into the store, as the daemon would have: the task may be running meanwhile. */
export async function storeDump(
  services: Services,
  { record }: CheckpointTarget,
  directory: string,
  operation: Operation,
): Promise<{ readonly task: Descriptor; readonly spec: Descriptor }> {
  const names = (await readdir(directory)).sort();
  if (!names.includes("inventory.img") && !names.includes(SIMULATED_DUMP)) {
    throw new DataLossError(`Cannot checkpoint container ${record.id}: criu left no inventory in ${directory}`);
  }
  if (record.spec === undefined) throw new DataLossError(`Cannot checkpoint container ${record.id}: it has no spec`);
  const [task, spec] = await Promise.all([
    writeBlob(
      services.content,
      writeTar(members(directory, names)),
      { mediaType: CheckpointMediaType.task, ref: operation.ref("task") },
      operation.call,
    ),
    writeBlob(
      services.content,
      encodeAny(record.spec),
      { mediaType: CheckpointMediaType.spec, ref: operation.ref("spec") },
      operation.call,
    ),
  ]);
  return { task, spec };
}

async function* members(directory: string, names: readonly string[]) {
  for (const name of names) {
    const path = join(directory, name);
    const { size, mode, mtime } = await stat(path);
    const body = () => createReadStream(path, { highWaterMark: CHUNK });
    yield { name, size, mode: mode & 0o777, modifiedAt: mtime, body };
  }
}
