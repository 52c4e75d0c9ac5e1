import type { CallOptions } from "../../call-options.js";
import { checkpointImageName, isCheckpointName, requireCheckpointName } from "../../checkpoint/named/name.js";
import { orUndefined } from "../../content/found.js";
import type { CheckpointSource } from "../restoring.js";
import type { Services } from "../services.js";

/**
 * What a task is to be thawed from: a text names a checkpoint of the container or, when there is none of that name, an image.
 *
 * @throws {InvalidArgumentError} when a text is neither the name of a checkpoint nor that of an image
 */
export async function taskSource(
  services: Services,
  containerId: string,
  source: CheckpointSource,
  call: CallOptions,
): Promise<CheckpointSource> {
  if (typeof source !== "string") return source;
  if (!mayBeImage(source)) requireCheckpointName(source);
  if (!isCheckpointName(source)) return source;
  return (await orUndefined(services.images.get(checkpointImageName(containerId, source), call))) ?? source;
}

/** Names of images have a tag, a path or a digest; but no path leads upwards, or from the root. */
function mayBeImage(text: string): boolean {
  return /[:/@]/.test(text) && /^[a-zA-Z0-9]/.test(text) && !text.split("/").includes("..");
}
