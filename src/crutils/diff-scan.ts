import { archiveEntries } from "../checkpoint/archive/entries.js";
import { type ArchiveLimits, limitsOf } from "../checkpoint/archive/limits.js";
import { parentOf, rootfsPath } from "../checkpoint/rootfs/rootfs-path.js";
import { FailedPreconditionError, InvalidArgumentError } from "../errors.js";
import { BOOKKEEPING, OPAQUE, WHITEOUT } from "../oci/whiteout.js";
import type { TarEntry } from "../tar/tar.js";
import type { Tree } from "../tree/tree.js";

const MOST_LINK_BYTES = 4095;
// The one above means to the kernel that the owner stays who it is.
const MOST_ID = 2 ** 32 - 2;

/** What may be in a diff. */
export interface DiffRules extends ArchiveLimits {
  readonly devices: boolean;
  readonly whiteouts: boolean;
}

/**
 * Looks at a whole diff before anything of it is applied: whether each member could be put into the tree, and only there.
 *
 * @returns how many members it has.
 */
export async function scanDiff(diff: AsyncIterable<Uint8Array>, tree: Tree, rules: DiffRules): Promise<number> {
  const scan = new DiffScan(tree, rules);
  let members = 0;
  for await (const entry of archiveEntries(diff, limitsOf(rules))) {
    await scan.add(entry);
    members += 1;
  }
  return members;
}

/** The error for a member that is not taken. */
export function refusedMember(name: string, why: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot apply member ${JSON.stringify(name.slice(0, 160))}: ${why}`);
}

class DiffScan {
  readonly #tree: Tree;
  readonly #rules: DiffRules;
  /** Whether each path the diff has is a directory. */
  readonly #members = new Map<string, boolean>();
  /** Directories that are there, or will be made. */
  readonly #directories = new Set<string>([""]);

  constructor(tree: Tree, rules: DiffRules) {
    this.#tree = tree;
    this.#rules = rules;
  }

  async add(entry: TarEntry): Promise<void> {
    const path = rootfsPath(entry);
    if (this.#members.has(path)) throw refusedMember(entry.name, "it comes twice");
    await this.#checkDirectories(path, entry);
    this.#checkWhiteout(path, entry);
    this.#checkKind(entry);
    if (entry.type === "link") await this.#checkLink(entry);
    this.#members.set(path, entry.type === "directory");
    if (entry.type === "directory") this.#directories.add(path);
    else if (this.#directories.has(path)) throw refusedMember(entry.name, "other members need a directory there");
  }

  async #checkDirectories(path: string, { name }: TarEntry): Promise<void> {
    const above = parentOf(path);
    if (path === "" || this.#directories.has(above)) return;
    await this.#checkDirectories(above, { name } as TarEntry);
    const type = this.#members.has(above) ? "member" : (await this.#tree.stat(above))?.type;
    if (type !== undefined && type !== "directory") {
      throw new FailedPreconditionError(
        `Cannot apply member ${JSON.stringify(name.slice(0, 160))}: ${JSON.stringify(above)} is a ${type}, not a directory`,
      );
    }
    this.#directories.add(above);
  }

  #checkWhiteout(path: string, { name }: TarEntry): void {
    if (!this.#rules.whiteouts) return;
    const last = path.slice(path.lastIndexOf("/") + 1);
    if (last === OPAQUE || last.startsWith(BOOKKEEPING) || !last.startsWith(WHITEOUT)) return;
    const hidden = last.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..")
      throw refusedMember(name, "it hides nothing that can be there");
  }

  #checkKind({ name, type, uid, gid, linkName = "" }: TarEntry): void {
    for (const id of [uid, gid]) {
      if (!Number.isSafeInteger(id) || id < 0 || id > MOST_ID) throw refusedMember(name, `nobody has the number ${id}`);
    }
    if ((type === "character-device" || type === "block-device") && !this.#rules.devices) {
      throw new InvalidArgumentError(`Cannot apply member ${JSON.stringify(name.slice(0, 160))}: it is a ${type}`, {
        hint: "Devices are made when the option `devices` says so.",
      });
    }
    if (type !== "symlink") return;
    if (linkName === "" || linkName.includes("\0") || Buffer.byteLength(linkName) > MOST_LINK_BYTES) {
      throw refusedMember(name, "it points to nothing that can be a path");
    }
  }

  async #checkLink({ name, linkName = "" }: TarEntry): Promise<void> {
    const target = rootfsPath({ name: linkName, type: "file" });
    const isDirectory = this.#members.get(target);
    if (isDirectory === false) return;
    await this.#checkDirectories(target, { name } as TarEntry);
    const node = isDirectory === true ? { type: "directory" } : await this.#tree.stat(target);
    if (node === undefined)
      throw refusedMember(name, `${JSON.stringify(linkName.slice(0, 160))}, what it is a link of, is not there`);
    if (node.type === "directory") throw refusedMember(name, "it is a hard link of a directory");
  }
}
