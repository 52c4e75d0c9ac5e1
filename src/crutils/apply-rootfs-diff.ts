import { join } from "node:path";
import type { ArchiveLimits } from "../checkpoint/archive/limits.js";
import { fileError } from "../content/layout/file-errors.js";
import { errorFor, isContainerdError, UnknownError } from "../errors.js";
import { compressionOf } from "../tar/decompress.js";
import { applyMembers } from "../tree/apply-layer.js";
import { DirectoryTree } from "../tree/directory-tree.js";
import { DiffMembers } from "./diff-members.js";
import { type DiffRules, scanDiff } from "./diff-scan.js";
import { checkSystem, isRoot, ROOTFS_DIFF } from "./file-names.js";
import type { Unkept } from "./unkept.js";

/** How a root filesystem's diff is applied. */
export interface ApplyRootfsDiffOptions extends ArchiveLimits {
  /** Whether devices are made; they are refused when absent. It takes root. */
  readonly devices?: boolean | undefined;
  /** Whether owners are set; when absent they are if this process is root. */
  readonly owners?: boolean | undefined;
  /**
   * Whether a name that begins with `.wh.` says that something is deleted, as in a layer. When absent it is if the tar is packed:
   * containerd's CRI packs a layer, Podman and CRI-O an unpacked tar in which it is a name as any other.
   */
  readonly whiteouts?: boolean | undefined;
}

/** What came of applying a root filesystem's diff. */
export interface AppliedRootfsDiff {
  /** How many members were applied. */
  readonly members: number;
  /** What of them could not be kept. */
  readonly unkept: readonly Unkept[];
}

/**
 * Applies `rootfs-diff.tar` of an unpacked checkpoint archive to a root filesystem: contents, links, modes, owners, times, extended
 * attributes, holes, fifos. The whole diff is looked at first; what is unsafe in it is refused before anything is changed. Paths are
 * walked descriptor by descriptor, so that no link is followed, whether it was there, came with the diff, or is made meanwhile.
 *
 * Node.js has no calls for some of it: extended attributes need GNU tar and GNU cp, nanoseconds `touch`, fifos and devices `mknod`. Where
 * those are missing, or this process may not, the result says what was not kept; but a fifo or a device that cannot be made is an
 * error. Works on Linux only.
 *
 * @param directory where the archive was unpacked.
 * @param rootfs the root filesystem.
 * @returns undefined when there is no such file.
 * @example
 * ```ts
 * const applied = await applyRootfsDiff("/var/tmp/checkpoint", "/run/bundle/rootfs");
 * await removeDeletedFiles("/var/tmp/checkpoint", "/run/bundle/rootfs");
 * ```
 * @throws {InvalidArgumentError} when a member leads elsewhere, comes twice, or must not be there
 * @throws {FailedPreconditionError} when a member would have to go through what is no directory
 * @throws {DataLossError} when it is no tar, or two readers would see two
 * @throws {ResourceExhaustedError} when a limit is passed, or the disk is full
 * @throws {PermissionDeniedError} when this process may not write there
 * @throws {NotImplementedError} when the system is not Linux, a name is not UTF-8, or a program is missing without which a member cannot be made
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRApplyRootFsDiffTar
 */
export async function applyRootfsDiff(
  directory: string,
  rootfs: string,
  options: ApplyRootfsDiffOptions = {},
): Promise<AppliedRootfsDiff | undefined> {
  checkSystem(`apply ${ROOTFS_DIFF}`);
  const { devices = false, owners: keepsOwners = isRoot() } = options;
  const source = new DirectoryTree(directory);
  if ((await source.stat(ROOTFS_DIFF)) === undefined) return undefined;
  const diff = () => source.read(ROOTFS_DIFF);
  const { whiteouts = await isPacked(diff()) } = options;
  const rules: DiffRules = { ...options, devices, whiteouts };
  const tree = new DirectoryTree(rootfs, undefined, keepsOwners);
  const unkept: Unkept[] = [];
  const members = new DiffMembers({ tree, keepsOwners, near: join(directory, "."), unkept }, rules);
  let total: number | undefined;
  try {
    total = await scanDiff(diff(), tree, rules);
    await applyMembers(tree, members.read(diff()), { followsLinks: false, hasWhiteouts: whiteouts });
    await members.finish();
  } catch (reason) {
    throw total === undefined ? fileError(reason, `apply ${ROOTFS_DIFF}`) : partly(reason, members, total);
  }
  return { members: total, unkept };
}

function partly(reason: unknown, { current, count }: DiffMembers, total: number): unknown {
  const known = fileError(reason, `apply member ${JSON.stringify(current.slice(0, 160))}`);
  const { code, hint } = isContainerdError(known) ? known : new UnknownError("");
  const said = known instanceof Error ? known.message : String(known);
  return errorFor(code, `${said}; ${count} of ${total} members were applied before that`, {
    cause: reason,
    hint,
  });
}

async function isPacked(diff: AsyncGenerator<Uint8Array, void, undefined>): Promise<boolean> {
  const { value } = await diff.next();
  await diff.return();
  return value !== undefined && compressionOf(value) !== "none";
}
