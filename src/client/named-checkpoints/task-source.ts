import type { CallOptions } from "../../call-options.js";
import { checkpointImageName, isCheckpointName, requireCheckpointName } from "../../checkpoint/named/name.js";
import { orUndefined } from "../../content/found.js";
import { InvalidArgumentError } from "../../errors.js";
import type { CheckpointSource } from "../checkpoint-source.js";
import type { Services } from "../services.js";

/**
 * Refuses a text that is neither the name of a checkpoint nor, where that is possible, of an image; before anything else.
 *
 * @throws {InvalidArgumentError} when it is none
 */
export function requireTaskSource(source: CheckpointSource | undefined, checkpointDir: string | undefined): void {
  if (checkpointDir !== undefined && typeof source !== "string") {
    throw new InvalidArgumentError("Cannot thaw a task from checkpointDir: checkpoint must be the name of one in it");
  }
  if (typeof source === "string" && (checkpointDir !== undefined || !mayBeImage(source))) requireCheckpointName(source);
}

/** What a task is to be thawed from: a text names a checkpoint of the container or, when there is none of that name, an image. */
export async function taskSource(
  services: Services,
  containerId: string,
  source: CheckpointSource,
  call: CallOptions,
): Promise<CheckpointSource> {
  if (typeof source !== "string" || !isCheckpointName(source)) return source;
  return (await orUndefined(services.images.get(checkpointImageName(containerId, source), call))) ?? source;
}

/** Names of images have a tag, a path or a digest; but no path leads upwards, or from the root. */
function mayBeImage(text: string): boolean {
  return /[:/@]/.test(text) && /^[a-zA-Z0-9]/.test(text) && !text.split("/").includes("..");
}
