import type { CallOptions } from "../call-options.js";
import { CheckpointMediaType } from "../checkpoint/media-types.js";
import type { CriuOptions } from "../checkpoint/plan.js";
import { listTarMembers } from "../checkpoint/tar-members.js";
import { FailedPreconditionError, InternalError, isAlreadyExists } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, digestOf } from "../oci/digest.js";
import { encodeAny } from "../typeurl.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import { withCriuLog } from "./criu-log.js";
import { criuOptionsMessage } from "./criu-options.js";
import type { DumpDirectory } from "./dump-directory.js";
import { lacksCheckpoint } from "./features.js";
import type { Operation } from "./operation.js";
import { packDump } from "./pack-dump.js";
import type { Services } from "./services.js";

const LOOK_MS = 5_000;

/** A task's memory, in the daemon's store or on its way there. */
export interface Dump {
  /** Milliseconds the dump took. */
  readonly ms: number;
  /** Where it is in the store, packed first when it lies in a directory. Containerd before 2.0 may have to be asked in a roundabout way, once the writable layer is known too. */
  descriptors(
    rw: Promise<Descriptor | undefined>,
    operation: Operation,
  ): Promise<{ readonly task: Descriptor; readonly spec: Descriptor }>;
}

/**
 * Has criu dump the task, into `directory` or else straight into the store. The task goes on as it was unless `exit` says that
 * criu shall end it.
 */
export async function dumpTask(
  services: Services,
  target: CheckpointTarget,
  criu: CriuOptions,
  exit: boolean,
  directory: DumpDirectory | undefined,
  call: CallOptions,
): Promise<Dump> {
  const { task, record } = target;
  if (task === undefined) throw new InternalError(`Container ${record.id} has no task to dump`);
  const startedAt = performance.now();
  const dumped = (descriptors: Dump["descriptors"]): Dump => ({ ms: performance.now() - startedAt, descriptors });
  const message = criuOptionsMessage(criu, exit, directory?.images);
  try {
    const made = await task.dump(message, call);
    if (directory !== undefined) {
      return dumped((_rw, operation) => packDump(services, target, directory, operation));
    }
    return dumped(async () => named(made));
  } catch (reason) {
    // Containerd 1.6 and 1.7 stop when the spec is in the store from an earlier checkpoint, after the memory was
    // written: https://github.com/containerd/containerd/pull/8401
    if (isAlreadyExists(reason)) return dumped(async (rw, operation) => leased(services, target, await rw, operation));
    const explained = await withCriuLog(services, reason, criu.workPath);
    if (call.signal?.aborted || !(await lacksCheckpoint(services, record, { timeoutMs: LOOK_MS }))) throw explained;
    throw new FailedPreconditionError(`Runtime ${record.runtime.name} was built without checkpoint support`, {
      cause: explained,
    });
  }
}

function named(made: readonly Descriptor[]): { task: Descriptor; spec: Descriptor } {
  const [task, ...memories] = made.filter(({ mediaType }) => mediaType === CheckpointMediaType.task);
  const [spec, ...specs] = made.filter(({ mediaType }) => mediaType === CheckpointMediaType.spec);
  if (task !== undefined && spec !== undefined && memories.length + specs.length === 0) return { task, spec };
  throw new InternalError(
    `The daemon said that the dump is made, but not where: ${made.map(({ mediaType }) => mediaType).join(", ")}`,
  );
}

/** Our lease is ours alone: what it holds beyond what we know is the dump. */
async function leased(
  services: Services,
  { record }: CheckpointTarget,
  rw: Descriptor | undefined,
  operation: Operation,
): Promise<{ task: Descriptor; spec: Descriptor }> {
  if (record.spec === undefined) throw new InternalError(`Container ${record.id} has no spec`);
  const specDigest = digestOf(encodeAny(record.spec));
  const candidates: Descriptor[] = [];
  for await (const { id, type } of services.leases.resources(operation.lease, operation.call)) {
    if (type !== "content" || id === specDigest || id === rw?.digest) continue;
    const { size } = await services.content.info(id as Digest, operation.call);
    const descriptor = { mediaType: CheckpointMediaType.task, digest: id as Digest, size };
    if (await isDump(services, descriptor, operation.call)) candidates.push(descriptor);
  }
  const [task] = candidates;
  if (task === undefined || candidates.length > 1) {
    throw new InternalError(`The daemon lost track of the dump: ${candidates.length} blobs of the operation may be it`);
  }
  await services.leases.addResource(operation.lease, { type: "content", id: specDigest }, operation.call);
  const { size } = await services.content.info(specDigest, operation.call);
  return { task, spec: { mediaType: CheckpointMediaType.spec, digest: specDigest, size } };
}

const SMALLEST_TAR = 1024;

async function isDump(services: Services, descriptor: Descriptor, call: CallOptions): Promise<boolean> {
  if (descriptor.size < SMALLEST_TAR) return false;
  try {
    for await (const { name } of listTarMembers(services.content, descriptor, call))
      if (name === "inventory.img") return true;
  } catch (reason) {
    if (call.signal?.aborted) throw reason;
  }
  return false;
}
