import { rm } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { CreateTaskRequest } from "../../api/services/tasks/v1/tasks_pb.js";
import type { Descriptor as DescriptorMessage } from "../../api/types/descriptor_pb.js";
import { type Options, OptionsSchema } from "../../api/types/runc/options/oci_pb.js";
import { CheckpointMediaType } from "../../checkpoint/media-types.js";
import { isSimulatedDump, SIMULATED_RUNTIME } from "../../checkpoint/simulated-dump.js";
import { FailedPreconditionError, UnknownError } from "../../errors.js";
import { parseDigest } from "../../oci/digest.js";
import { parseSpec } from "../../oci/runtime-spec.js";
import { unpackAny } from "../../typeurl.js";
import type { CallContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import type { AnyRecord, ContainerRecord } from "../metadata/record-kinds.js";
import type { ProcessIO } from "../runtime/process-io.js";
import type { Runtime } from "../runtime/runtime.js";
import { unpackDump } from "./dump-files.js";
import { Task } from "./task.js";
import { TaskEvents } from "./task-events.js";

const SHIM = "io.containerd.runtime.v2.task";

/** Makes the task of a container, or nothing. */
export async function createTask(
  daemon: Daemon,
  runtime: Runtime,
  container: ContainerRecord,
  request: CreateTaskRequest,
  { namespace, signal }: CallContext,
): Promise<Task> {
  const { containerId: id, stdin, stdout, stderr, terminal, rootfs } = request;
  const io: ProcessIO = { stdin, stdout, stderr, terminal };
  const options = runtimeOptions(request.options ?? container.runtime.options);
  const bundle = join(daemon.state, SHIM, namespace, id);
  const work = join(daemon.root ?? daemon.state, SHIM, namespace, id);
  const unpacked = join(daemon.state, `ctrd-checkpoint-${crypto.randomUUID()}`);
  const events = new TaskEvents(daemon, namespace);
  try {
    const dump = await dumpDirectory(daemon, runtime, namespace, request.checkpoint, options, unpacked, signal);
    const tree = rootfs.length === 0 ? undefined : await daemon.filesystem(rootfs);
    const spec = parseSpec(container.spec.value);
    const runs = await runtime.create({
      namespace,
      id,
      state: daemon.state,
      bundle,
      work,
      spec,
      rootfs,
      tree,
      io,
      options,
      dump,
    });
    const task = new Task(id, io, runs, events, dump === unpacked ? [unpacked] : []);
    events.created({ containerId: id, bundle, rootfs, io, checkpoint: dump ?? "", pid: runs.pid });
    return task;
  } catch (reason) {
    await rm(unpacked, { recursive: true, force: true });
    throw reason;
  }
}

/** The directory to thaw from: one the options name, or one a dump of the store is unpacked into. */
async function dumpDirectory(
  daemon: Daemon,
  runtime: Runtime,
  namespace: string,
  checkpoint: DescriptorMessage | undefined,
  options: Options,
  unpacked: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (options.criuImagePath !== "") return options.criuImagePath;
  if (checkpoint === undefined) return undefined;
  const { mediaType, digest, size } = checkpoint;
  if (mediaType !== CheckpointMediaType.task)
    throw new UnknownError(`unsupported checkpoint type ${JSON.stringify(mediaType)}`);
  const descriptor = { mediaType, digest: parseDigest(digest), size: Number(size) };
  const content = daemon.content(namespace);
  const { size: there } = await content.info(descriptor.digest, { signal });
  const dump = { ...descriptor, size: there };
  requireKind(runtime, await isSimulatedDump(content, dump, { signal }));
  await unpackDump(content, dump, unpacked, signal);
  return unpacked;
}

/** @throws {FailedPreconditionError} when the memory is of processes of the other kind */
function requireKind(runtime: Runtime, isSimulated: boolean): void {
  if (isSimulated === (runtime.name === SIMULATED_RUNTIME)) return;
  throw new FailedPreconditionError(
    isSimulated
      ? `Cannot thaw with ${runtime.name}: the dump is of simulated processes`
      : "Cannot thaw simulated processes: the dump is criu's, of real ones",
    {
      hint: isSimulated
        ? "Only the simulated runtime of the embedded containerd thaws it."
        : "A containerd with runc and criu thaws it.",
    },
  );
}

/** What the runtime is told: options of runc's kind, or none. */
function runtimeOptions(any: Any | AnyRecord | undefined): Options {
  const options = any && unpackAny(create(AnySchema, any), OptionsSchema);
  return options ?? create(OptionsSchema);
}
