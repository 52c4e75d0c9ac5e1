import { InvalidArgumentError } from "../../errors.js";
import { WHITEOUT } from "../../oci/whiteout.js";
import type { TarEntry, TarFile, TarStreamFile } from "../../tar/tar.js";
import { carried } from "../rootfs/member.js";
import { parentOf, rootfsPath } from "../rootfs/rootfs-path.js";

/**
 * What a mount held, as members below the place it gets. Whoever unpacks a layer follows the links in it: so each member lies in a
 * directory that the same tar made before, and nothing reaches what is beside that place.
 */
export class OwnContent {
  readonly #tar: string;
  readonly #place: string;
  /** Whether each path the tar made is a directory. */
  readonly #made = new Map<string, boolean>([["", true]]);

  /** Begins without members; `tar` is what errors call it by. */
  constructor(tar: string, place: string) {
    this.#tar = tar;
    this.#place = place;
  }

  /**
   * The member a layer gets for one of the tar's; undefined for what a layer cannot have.
   *
   * @throws {InvalidArgumentError} when it comes twice, or neither lies in a directory that came before nor links to a file that did
   */
  member(entry: TarEntry): TarFile | TarStreamFile | undefined {
    const path = rootfsPath(entry);
    if (path === "" || isDevice(entry) || path.split("/").some((name) => name.startsWith(WHITEOUT))) return undefined;
    if (this.#made.has(path)) throw this.#refusal(entry, "it comes twice");
    this.#requireDirectory(entry, parentOf(path));
    const member = { ...carried(entry), name: `${this.#place}/${path}` };
    this.#made.set(path, entry.type === "directory");
    return entry.type === "link" ? { ...member, linkName: `${this.#place}/${this.#linked(entry)}` } : member;
  }

  #linked(entry: TarEntry): string {
    const { linkName = "" } = entry;
    const path = rootfsPath({ name: linkName, type: "file" });
    this.#requireDirectory(entry, parentOf(path));
    if (this.#made.get(path) !== false || path === rootfsPath(entry)) {
      throw this.#refusal(entry, `${shown(linkName)}, what it is a link of, is no file that came before it`);
    }
    return path;
  }

  #requireDirectory(entry: TarEntry, path: string): void {
    if (this.#made.get(path) !== true) throw this.#refusal(entry, `${shown(path)} is no directory that came before it`);
  }

  #refusal({ name }: TarEntry, why: string): InvalidArgumentError {
    return new InvalidArgumentError(`Cannot import member ${shown(name)} of ${JSON.stringify(this.#tar)}: ${why}`);
  }
}

/** Whether a member is a device; what a layer says of itself is none. */
export function isDevice({ type }: TarEntry): boolean {
  return type === "character-device" || type === "block-device";
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 160));
}
