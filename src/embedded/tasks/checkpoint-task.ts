import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { type CheckpointOptions, CheckpointOptionsSchema } from "../../api/types/runc/options/oci_pb.js";
import { CheckpointMediaType } from "../../checkpoint/media-types.js";
import { writeBlob } from "../../content/blob.js";
import { UnknownError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { encodeAny, unpackAny } from "../../typeurl.js";
import type { CallContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import type { ContainerRecord } from "../metadata/record-kinds.js";
import { packDump } from "./dump-files.js";
import type { Task } from "./task.js";

const OWNER_ONLY = 0o700;

/**
 * Saves a task where its options say, or into the store under the lease of the call; only then there is something to
 * return: the dump and the container's spec.
 */
export async function checkpointTask(
  daemon: Daemon,
  container: ContainerRecord,
  task: Task,
  any: Any | undefined,
  { namespace, lease, signal }: CallContext,
): Promise<readonly Descriptor[]> {
  const options = optionsOf(container, any);
  if (options.imagePath !== "") {
    await task.checkpoint(options.imagePath, options);
    return [];
  }
  const directory = join(daemon.state, `ctrd-checkpoint-${crypto.randomUUID()}`);
  await mkdir(directory, { recursive: true, mode: OWNER_ONLY });
  try {
    await task.checkpoint(directory, options);
    const content = daemon.content(namespace);
    const call = { signal, ...(lease === undefined ? {} : { lease: { id: lease } }) };
    const spec = encodeAny(create(AnySchema, container.spec));
    return [
      await writeBlob(content, packDump(directory), { mediaType: CheckpointMediaType.task, ref: directory }, call),
      await writeBlob(content, spec, { mediaType: CheckpointMediaType.spec }, call),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function optionsOf(container: ContainerRecord, any: Any | undefined): CheckpointOptions {
  if (any === undefined) return create(CheckpointOptionsSchema);
  const options = unpackAny(any, CheckpointOptionsSchema);
  if (options !== undefined) return options;
  throw new UnknownError(`invalid task checkpoint option for ${container.runtime.name}`);
}
