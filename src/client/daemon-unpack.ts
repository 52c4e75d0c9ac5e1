import { chmod, chown, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { getegid, geteuid } from "node:process";
import type { CallOptions } from "../call-options.js";
import type { TarMember } from "../checkpoint/tar-members.js";
import { DataLossError, FailedPreconditionError, isContainerdError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { algorithmOf } from "../oci/digest.js";
import { MEDIA_TYPE_LAYER } from "../oci/media-types.js";
import { WHITEOUT } from "../oci/whiteout.js";
import { isDiskFull } from "./dump-space.js";
import type { Services } from "./services.js";

const OWNER_ONLY = { file: 0o600, directory: 0o700 };
const PERMISSIONS = 0o7777;

/** A dump whose members were looked at. */
interface ListedDump {
  readonly dump: Descriptor;
  readonly members: readonly TarMember[];
}

/**
 * Has the daemon unpack a dump into a directory of ours, as if it were a layer, and looks at what it made of it: nothing but
 * the members as they were listed passes. Resolves to whether it did; when it could not, the directory is empty again.
 *
 * @throws {DataLossError} when the bytes it unpacked are not those the digest names
 * @throws {FailedPreconditionError} when it made anything but those plain files
 */
export async function unpackByDaemon(
  { diffs }: Pick<Services, "diffs">,
  { dump, members }: ListedDump,
  images: string,
  call: CallOptions,
): Promise<boolean> {
  const { digest, size } = dump;
  // To the daemon that would be the name of something to delete; and it hashes in one way only.
  if (algorithmOf(digest) !== "sha256" || members.some(({ name }) => name.startsWith(WHITEOUT))) return false;
  const layer = { mediaType: MEDIA_TYPE_LAYER, digest, size };
  const bind = { type: "bind", source: images, options: ["rw", "rbind"] };
  let applied: Descriptor;
  try {
    applied = await diffs.apply(layer, [bind], call);
  } catch (reason) {
    if (isFinal(reason, call)) throw reason;
    await rm(images, { recursive: true });
    await mkdir(images, { mode: OWNER_ONLY.directory });
    return false;
  }
  if (applied.digest !== digest) throw new DataLossError(`Cannot unpack ${digest}: the bytes are ${applied.digest}`);
  await requireFiles(images, members, digest);
  return true;
}

/** Whether nobody else would fare better. */
function isFinal(reason: unknown, { signal }: CallOptions): boolean {
  if (signal?.aborted || !isContainerdError(reason) || isDiskFull(reason)) return true;
  return ["canceled", "deadline_exceeded", "unavailable"].includes(reason.code);
}

/** Nobody else enters the directory, so that what was looked at stays as it is. */
async function requireFiles(images: string, members: readonly TarMember[], digest: string): Promise<void> {
  const sizes = new Map(members.map(({ name, size }) => [name, size]));
  const names = await readdir(images);
  const odd = names.find((name) => !sizes.has(name)) ?? [...sizes.keys()].find((name) => !names.includes(name));
  const refuse = (name: string): never => {
    throw new FailedPreconditionError(
      `Cannot unpack ${digest}: the daemon did not make a plain file of ${JSON.stringify(name)}, or made another`,
    );
  };
  if (odd !== undefined) refuse(odd);
  await Promise.all(
    names.map(async (name) => {
      const path = join(images, name);
      const found = await lstat(path);
      if (!found.isFile() || found.nlink !== 1 || found.size !== sizes.get(name)) refuse(name);
      const [uid = found.uid, gid = found.gid] = [geteuid?.(), getegid?.()];
      if (found.uid !== uid || found.gid !== gid) await chown(path, uid, gid);
      if ((found.mode & PERMISSIONS) !== OWNER_ONLY.file) await chmod(path, OWNER_ONLY.file);
    }),
  );
}
