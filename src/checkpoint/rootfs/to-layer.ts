import { FailedPreconditionError } from "../../errors.js";
import { OPAQUE, WHITEOUT } from "../../oci/whiteout.js";
import { type TarFile, type TarStreamFile, writeTar } from "../../tar/tar.js";
import { archiveEntries } from "../archive/entries.js";
import { type ArchiveLimits, limitsOf } from "../archive/limits.js";
import { DeletedPaths } from "./deleted-paths.js";
import { carried } from "./member.js";
import { deletedPath, rootfsPath } from "./rootfs-path.js";

/**
 * Makes a layer, a plain tar, of what Podman and CRI-O keep as `rootfs-diff.tar` and `deleted.files`. Whatever was deleted and made
 * anew is new: what stands in both lists hides all that was there before.
 *
 * @param diff the tar, packed or not; undefined when there is none.
 * @param deleted what was deleted, as absolute paths.
 * @throws {InvalidArgumentError} when a path does not lead straight down
 * @throws {DataLossError} when it is no tar, or two readers would see two
 * @throws {ResourceExhaustedError} when a limit is passed
 * @throws {FailedPreconditionError} when a file has a name that means something else in a layer
 */
export function layerOfRootfsDiff(
  diff: AsyncIterable<Uint8Array> | undefined,
  deleted: readonly string[],
  limits: ArchiveLimits = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return writeTar(members(diff, new DeletedPaths(deleted.map(deletedPath)), limits));
}

async function* members(
  diff: AsyncIterable<Uint8Array> | undefined,
  deleted: DeletedPaths,
  limits: ArchiveLimits,
): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
  for await (const entry of diff === undefined ? [] : archiveEntries(diff, limitsOf(limits))) {
    const path = rootfsPath(entry);
    checkName(path);
    deleted.bring(path, entry.type === "directory");
    yield carried(entry);
  }
  // At the end: whoever unpacks a layer knows what it brought, and hides only the rest.
  for (const { path, fate } of deleted.fates()) {
    checkName(path);
    if (fate === "replaced") continue;
    const slash = path.lastIndexOf("/") + 1;
    const name = fate === "emptied" ? `${path}/${OPAQUE}` : `${path.slice(0, slash)}${WHITEOUT}${path.slice(slash)}`;
    yield { name, mode: 0 };
  }
}

function checkName(path: string): void {
  if (!path.split("/").some((name) => name.startsWith(WHITEOUT))) return;
  throw new FailedPreconditionError(
    `Cannot write ${JSON.stringify(path)} to a layer: its name means that something is not there`,
  );
}
