import { archiveEntries } from "../checkpoint/archive/entries.js";
import { limitsOf } from "../checkpoint/archive/limits.js";
import { rootfsPath } from "../checkpoint/rootfs/rootfs-path.js";
import { WHITEOUT } from "../oci/whiteout.js";
import { nanosecondsOf } from "../tar/instant.js";
import type { TarEntry } from "../tar/tar.js";
import type { DirectoryTree } from "../tree/directory-tree.js";
import type { Xattrs } from "../tree/tree.js";
import type { DiffRules } from "./diff-scan.js";
import { isRoot } from "./file-names.js";
import type { Unkept } from "./unkept.js";

// Attributes are set many at a time, but not more than that are held.
const MOST_HELD_BYTES = 1024 * 1024;

/** Where members go, and what of them is told. */
export interface MemberTarget {
  readonly tree: DirectoryTree;
  readonly keepsOwners: boolean;
  /** What stands before the name of a directory that is made for a moment. */
  readonly near: string;
  readonly unkept: Unkept[];
}

/** The members of a diff on their way into a tree: what the tree is not told of them, this sees to. */
export class DiffMembers {
  /** The member under way. */
  current = "";
  /** How many came before it. */
  count = 0;
  readonly #target: MemberTarget;
  readonly #rules: DiffRules;
  readonly #times = new Map<string, bigint>();
  #xattrs = new Map<string, Xattrs>();
  #heldBytes = 0;

  constructor(target: MemberTarget, rules: DiffRules) {
    this.#target = target;
    this.#rules = rules;
  }

  /** Those of a diff that was scanned. */
  async *read(diff: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
    for await (const entry of archiveEntries(diff, limitsOf(this.#rules))) {
      const path = rootfsPath(entry);
      this.current = path;
      yield this.#member(path, entry);
      this.count += 1;
      if (this.#heldBytes > MOST_HELD_BYTES) await this.#setXattrs();
    }
  }

  /** Sets what is set when all is there. */
  async finish(): Promise<void> {
    await this.#setXattrs();
    const { tree, unkept } = this.#target;
    // A layer may hide what it brought.
    if (this.#rules.whiteouts)
      for (const path of this.#times.keys()) if ((await tree.stat(path)) === undefined) this.#times.delete(path);
    for (const path of await tree.setTimesExactly(this.#times)) {
      unkept.push({
        path,
        what: "time",
        reason: "there is no touch that sets nanoseconds: it is right to the microsecond",
      });
    }
  }

  #member(path: string, { xattrs, ...entry }: TarEntry): TarEntry {
    const name = path === "" ? "." : path;
    if (entry.type === "link")
      return { ...entry, name, linkName: rootfsPath({ name: entry.linkName ?? "", type: "file" }) };
    if (this.#isWhiteout(path)) return { ...entry, name };
    this.#times.set(path, nanosecondsOf(entry));
    if (xattrs !== undefined) this.#hold(path, xattrs);
    return { ...entry, name, mode: this.#modeOf(path, entry) };
  }

  #isWhiteout(path: string): boolean {
    return this.#rules.whiteouts && path.slice(path.lastIndexOf("/") + 1).startsWith(WHITEOUT);
  }

  /** Bits that give a program its owner's rights are not given with another owner. */
  #modeOf(path: string, { mode, uid, gid, type }: Omit<TarEntry, "xattrs">): number {
    const { keepsOwners, unkept } = this.#target;
    if (keepsOwners || (uid === process.getuid?.() && gid === process.getgid?.())) return mode;
    unkept.push({ path, what: "owner", reason: `only root can give it to ${uid}:${gid}` });
    if (type === "symlink" || !(mode & 0o6000)) return mode;
    unkept.push({ path, what: "mode", reason: "setuid and setgid mean something else with another owner" });
    return mode & ~0o6000;
  }

  #hold(path: string, xattrs: Xattrs): void {
    const kept = new Map<string, Uint8Array>();
    for (const [name, value] of xattrs) {
      const reason = whyNotKept(name);
      if (reason === undefined) kept.set(name, value);
      else this.#target.unkept.push({ path, what: "xattrs", reason: `${name}: ${reason}` });
      this.#heldBytes += name.length + value.length;
    }
    if (kept.size > 0) this.#xattrs.set(path, kept);
  }

  async #setXattrs(): Promise<void> {
    const { tree, near, unkept } = this.#target;
    const all = this.#xattrs;
    for (const path of this.#rules.whiteouts ? all.keys() : [])
      if ((await tree.stat(path)) === undefined) all.delete(path);
    [this.#xattrs, this.#heldBytes] = [new Map(), 0];
    for (const [path, reason] of await tree.trySetXattrs(all, near)) {
      unkept.push({ path, what: "xattrs", reason: reason.message });
    }
  }
}

function whyNotKept(name: string): string | undefined {
  if (/^(?:user|trusted)\.overlay\./.test(name)) return "it would make an overlay show other files";
  if (name.startsWith("user.")) return undefined;
  if (!name.startsWith("trusted.") && name !== "security.capability") return "it belongs to the machine it comes from";
  return isRoot() ? undefined : "only root can set it";
}
