import { readdir } from "node:fs/promises";
import { CheckpointMediaType } from "../checkpoint/media-types.js";
import { SIMULATED_DUMP } from "../checkpoint/simulated-dump.js";
import { writeBlob } from "../content/blob.js";
import { DataLossError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { MEDIA_TYPE_LAYER } from "../oci/media-types.js";
import { encodeAny } from "../typeurl.js";
import type { CheckpointTarget } from "./checkpoint-preflight.js";
import type { DumpDirectory } from "./dump-directory.js";
import type { Operation } from "./operation.js";
import type { Services } from "./services.js";
import { together } from "./together.js";

/**
 * Has the daemon pack a finished dump into its store: the difference between nothing and the directory is the same tar as
 * its own way makes, and none of it passes through this process. The task may run meanwhile.
 */
export async function packDump(
  services: Services,
  { record }: CheckpointTarget,
  directory: DumpDirectory,
  operation: Operation,
): Promise<{ readonly task: Descriptor; readonly spec: Descriptor }> {
  const names = await readdir(directory.images);
  if (!names.includes("inventory.img") && !names.includes(SIMULATED_DUMP)) {
    throw new DataLossError(`Cannot checkpoint container ${record.id}: criu left no inventory in ${directory.images}`);
  }
  if (record.spec === undefined) throw new DataLossError(`Cannot checkpoint container ${record.id}: it has no spec`);
  const images = { type: "bind", source: directory.images, options: ["ro", "rbind"] };
  const [tar, spec] = await together([
    services.diffs.diff([], [images], {
      ...operation.call,
      mediaType: MEDIA_TYPE_LAYER,
      ref: operation.ref("task"),
    }),
    writeBlob(
      services.content,
      encodeAny(record.spec),
      { mediaType: CheckpointMediaType.spec, ref: operation.ref("spec") },
      operation.call,
    ),
  ]);
  return { task: { ...tar, mediaType: CheckpointMediaType.task }, spec };
}
