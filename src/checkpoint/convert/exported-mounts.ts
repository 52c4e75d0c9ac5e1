import { FailedPreconditionError } from "../../errors.js";
import type { JsonObject } from "../../oci/json.js";
import type { SpecMount } from "../../oci/runtime-spec.js";
import { checkpointName } from "../document.js";
import { objectIn, textIn } from "../inspect/loose-json.js";
import { isEnginesMount } from "./carried-mounts.js";
import type { ExportedCheckpoint } from "./exported.js";
import type { OwnContents } from "./exported-diff.js";
import { isOwnSource, ownName } from "./own-place.js";

/**
 * Makes sure that no mount which is part of the container has files in it: other engines have no place for them.
 *
 * @throws {FailedPreconditionError} when one has
 */
export function requireNothingMounted(
  { checkpoint, spec }: ExportedCheckpoint,
  own: OwnContents,
  engine: string,
): void {
  for (const { source = "", destination } of spec.mounts ?? []) {
    if (!isOwnSource(source) || own.get(ownName(source))?.isFilled !== true) continue;
    if (isEnginesMount(destination) && destination !== "/dev/shm") continue;
    throw new FailedPreconditionError(
      `Cannot export ${checkpointName(checkpoint)} for ${engine}: the files in ${destination}, which is mounted, have no place in its archives`,
    );
  }
}

/** The mounts of a container as they were where it was made. */
export interface MountsElsewhere {
  /** Those whose source there is not known have none. */
  readonly mounts: SpecMount[];
  /** Whether what is mounted on a path is a file. */
  readonly isFile: (destination: string) => boolean;
}

/** Gives mounts that are the container's own the sources they had in the archive it was made of. */
export function mountsElsewhere({ spec }: ExportedCheckpoint, own: OwnContents, original: JsonObject): MountsElsewhere {
  const sources = sourcesIn(original);
  const files = new Map<string, boolean>();
  const mounts: SpecMount[] = [];
  for (const mount of spec.mounts ?? []) {
    const { source = "", ...rest } = mount;
    if (!isOwnSource(source)) {
      mounts.push(mount);
      continue;
    }
    // That one was made for criu.
    if (mount.destination.endsWith("/.empty-directory")) continue;
    const known = sources.get(mount.destination);
    mounts.push({ ...rest, ...(known === undefined ? {} : { source: known }) });
    files.set(mount.destination, own.get(ownName(source))?.isDirectory === false);
  }
  const isFile = (destination: string) => files.get(destination) ?? /^\/etc\/|\/termination-log$/.test(destination);
  return { mounts, isFile };
}

function sourcesIn(original: JsonObject): ReadonlyMap<string, string> {
  const sources = new Map<string, string>();
  const list = original["mounts"];
  for (const each of Array.isArray(list) ? (list as unknown[]) : []) {
    const mount = objectIn({ each }, "each");
    const [destination, source] = [textIn(mount, "destination"), textIn(mount, "source")];
    if (destination !== undefined && source !== undefined) sources.set(destination, source);
  }
  return sources;
}
