import { InvalidArgumentError } from "../../errors.js";

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*[a-zA-Z0-9_-]$/;
// It may have to be the name of a directory.
const MOST_CHARACTERS = 255;
const PREFIX = "containerd.io/checkpoint/";

/** Whether a container can have a checkpoint of that name. */
export function isCheckpointName(name: string): boolean {
  return pattern.test(name) && name.length <= MOST_CHARACTERS;
}

/**
 * Refuses what cannot be the name of a checkpoint: the rule is Docker's.
 *
 * @throws {InvalidArgumentError} when it is none
 */
export function requireCheckpointName(name: string): void {
  if (typeof name === "string" && isCheckpointName(name)) return;
  throw new InvalidArgumentError(
    `Cannot call a checkpoint ${JSON.stringify(String(name).slice(0, 160))}: expected 2 to ${MOST_CHARACTERS} letters, digits, dots, dashes and underscores, a letter or digit first and no dot last`,
  );
}

/** The image a named checkpoint is registered as: what containerd itself would call it, with the name in the place of the time. */
export function checkpointImageName(containerId: string, name: string): string {
  return `${PREFIX}${containerId}:${name}`;
}

/** The name of the checkpoint that is registered as an image; `undefined` when the image is none of that container's. */
export function checkpointNameOf(containerId: string, imageName: string): string | undefined {
  const prefix = checkpointImageName(containerId, "");
  const name = imageName.slice(prefix.length);
  return imageName.startsWith(prefix) && isCheckpointName(name) ? name : undefined;
}
