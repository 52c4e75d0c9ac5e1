import { create as createMessage, type MessageInitShape } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { Containers as ContainersService } from "../api/services/containers/v1/containers_pb.js";
import { type CreateTaskRequestSchema, Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import { OptionsSchema } from "../api/types/runc/options/oci_pb.js";
import type { CallOptions } from "../call-options.js";
import { CheckpointMediaType } from "../checkpoint/media-types.js";
import { FailedPreconditionError, isContainerdError } from "../errors.js";
import { packAny, unpackAny } from "../typeurl.js";
import { type CheckpointSource, resolveTaskCheckpoint } from "./checkpoint-source.js";
import { type ContainerRuntime, containerRecord } from "./container-record.js";
import { discardTask } from "./discard-task.js";
import { ioContext } from "./io-context.js";
import { mayHaveHappened } from "./lost-answer.js";
import { mountInit } from "./mount.js";
import { type DirectoryDump, dumpOfDirectory } from "./named-checkpoints/directory-thaw.js";
import { requireTaskSource, taskSource } from "./named-checkpoints/task-source.js";
import type { Services } from "./services.js";
import { fromShim } from "./shim-errors.js";
import { unpackSpec } from "./spec-any.js";
import { Task } from "./task.js";
import { type IORequest, nullIO, type OpenIO, type TaskIO } from "./task-io.js";
import { beginThaw } from "./thawing.js";
import { descriptorInit, present } from "./wire.js";

/**
 * Options of the runc runtime for one task. They are laid over those of the container, which stay as they are.
 *
 * @inline
 */
export interface TaskRuntimeOptions {
  /** A directory of criu images on the daemon's host to restore from. */
  readonly criuImagePath?: string | undefined;
  /** A directory on the daemon's host where criu keeps its log and statistics. */
  readonly criuWorkPath?: string | undefined;
  /** Keep the old root instead of pivoting away from it, for hosts that run from a ramdisk. */
  readonly noPivotRoot?: boolean | undefined;
  /** Give the task no session keyring of its own. */
  readonly noNewKeyring?: boolean | undefined;
  /** Cgroup the shim itself is put into. */
  readonly shimCgroup?: string | undefined;
  /** User id that owns the pipes of the task's input and output. */
  readonly ioUid?: number | undefined;
  /** Group id that owns them. */
  readonly ioGid?: number | undefined;
}

/** How a task is made. */
export interface NewTaskOptions extends CallOptions {
  /** What to thaw it from: a checkpoint, the image it is registered as, that image's name, or the name of a checkpoint of the container. */
  readonly checkpoint?: CheckpointSource | undefined;
  /** The directory in which the named checkpoint lies, when it is no image. */
  readonly checkpointDir?: string | undefined;
  /** Its input and output; none when absent. A thawed task needs the same shape as it had: terminal, pipes or nothing. */
  readonly io?: TaskIO | undefined;
  /** Options of the runtime for this task. */
  readonly runtimeOptions?: TaskRuntimeOptions | undefined;
}

const RUNC = "io.containerd.runc.v2";

/** Makes a container's task, or nothing. */
export async function createTask(services: Services, id: string, options: NewTaskOptions): Promise<Task> {
  const { checkpoint, checkpointDir, io: kind = nullIO(), runtimeOptions } = options;
  requireTaskSource(checkpoint, checkpointDir);
  const reply = await services.rpc.unary(ContainersService.method.get, { id }, options);
  const record = containerRecord(present(reply.container, "a container"));
  const images = runtimeOptions?.criuImagePath ?? "";
  const direct = images === "" && takesImagePath(record.runtime);
  const { snapshotter, snapshotKey } = record;
  const mounting = snapshotKey === "" ? [] : services.snapshots(snapshotter).mounts(snapshotKey, options);
  const [{ dump, thaw, hold }] = await Promise.all([
    dumpFor(services, id, direct, options),
    // Its failure is thrown where the thaw is ended then.
    Promise.allSettled([mounting]),
  ]);
  try {
    const mounts = await mounting;
    const changes = thaw === undefined ? runtimeOptions : { ...runtimeOptions, criuImagePath: thaw.images };
    const merged = changes && mergeRuntimeOptions(id, record.runtime, changes);
    const terminal = record.spec === undefined ? false : (unpackSpec(record.spec).process?.terminal ?? false);
    const io = await kind.open(ioContext(services, id, terminal, options));
    const input = {
      ...io.request,
      containerId: id,
      rootfs: mounts.map(mountInit),
      ...(dump === undefined || thaw !== undefined ? {} : { checkpoint: descriptorInit(dump) }),
      ...(merged === undefined ? {} : { options: merged }),
    };
    const restored = checkpoint !== undefined || images !== "";
    const task = await create(services, input, io, restored, options);
    await thaw?.unpacked.catch(async (reason: unknown) => {
      await discardTask(task, reason);
      throw reason;
    });
    return task;
  } catch (reason) {
    await thaw?.end();
    throw reason;
  } finally {
    await hold?.[Symbol.asyncDispose]();
  }
}

/** Where the daemon finds what the task is to be thawed from; nothing for one that is to begin afresh. */
async function dumpFor(
  services: Services,
  id: string,
  direct: boolean,
  options: NewTaskOptions,
): Promise<DirectoryDump> {
  const { checkpoint, checkpointDir } = options;
  if (checkpoint === undefined) return {};
  if (checkpointDir !== undefined && typeof checkpoint === "string")
    return dumpOfDirectory(services, id, checkpoint, checkpointDir, direct, options);
  const dump = await resolveTaskCheckpoint(services, await taskSource(services, id, checkpoint, options), options);
  // What is no dump at all is for the daemon to refuse.
  const ours = direct && dump.mediaType === CheckpointMediaType.task;
  const thaw = ours ? await beginThaw(services, id, dump, options) : undefined;
  return { dump, ...(thaw === undefined ? {} : { thaw }) };
}

async function create(
  services: Services,
  input: MessageInitShape<typeof CreateTaskRequestSchema> & { readonly containerId: string },
  io: OpenIO,
  restored: boolean,
  call: CallOptions,
): Promise<Task> {
  const { containerId } = input;
  try {
    const { pid } = await fromShim(services.rpc.unary(Tasks.method.create, input, call));
    return new Task(services, containerId, pid, { io, restored });
  } catch (reason) {
    if (mayHaveHappened(reason, call)) await discardOurs(services, containerId, io.request, reason);
    await io.close();
    throw reason;
  }
}

/** Whether a runtime thaws from a directory that is named in its options. */
function takesImagePath({ name, options }: ContainerRuntime): boolean {
  return name === RUNC && (options === undefined || unpackAny(options, OptionsSchema) !== undefined);
}

/** Options sent with a task replace the container's: its runtime binary and root would be forgotten. */
function mergeRuntimeOptions(id: string, runtime: ContainerRuntime, changes: TaskRuntimeOptions): Any {
  const own = runtime.options === undefined ? createMessage(OptionsSchema) : unpackAny(runtime.options, OptionsSchema);
  if (own === undefined) {
    throw new FailedPreconditionError(
      `Cannot change the runtime options of container ${id}: ${JSON.stringify(runtime.options?.typeUrl)} are not runc's`,
    );
  }
  return packAny(OptionsSchema, Object.assign(own, withoutUndefined(changes)));
}

function withoutUndefined(changes: TaskRuntimeOptions): TaskRuntimeOptions {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

const LOOK_MS = 10_000;

/** After a lost answer: a task that stands where ours would, with our input and output, and was never started. */
async function discardOurs(services: Services, id: string, io: IORequest, reason: unknown): Promise<void> {
  try {
    const found = await services.rpc.unary(Tasks.method.get, { containerId: id }, { timeoutMs: LOOK_MS });
    const process = present(found.process, "a task");
    const task = new Task(services, id, process.pid);
    const ours = process.stdin === io.stdin && process.stdout === io.stdout && process.stderr === io.stderr;
    if (ours && (await task.status({ timeoutMs: LOOK_MS })).status === "created") await discardTask(task, reason);
  } catch (failure) {
    // Nothing there, or nobody to ask: what the caller has to hear of is why the task could not be made.
    if (!isContainerdError(failure)) throw failure;
  }
}
