import type { Xattrs } from "./tree.js";
import { parentOf } from "./tree-path.js";

interface Pending {
  readonly xattrs: Xattrs;
  /** How many paths had been removed when they came. */
  readonly removals: number;
}

/** Extended attributes that are set at the end, all at once: they belong to what was at a path when they came, and go with it. */
export class PendingXattrs {
  readonly #pending = new Map<string, Pending>();
  /** Which removal was the last one of a path; looking for what was below it would cost more than looking above at the end. */
  readonly #removed = new Map<string, number>();
  #removals = 0;

  /** What was just put at a path has these. */
  add(path: string, xattrs: Xattrs): void {
    this.#pending.set(path, { xattrs, removals: this.#removals });
  }

  /** What is at one path has a further name. */
  link(path: string, existing: string): void {
    const pending = this.#pending.get(existing);
    if (pending !== undefined && this.#isThere(existing, pending)) this.add(path, pending.xattrs);
  }

  /** What was at a path is gone, with all below. */
  remove(path: string): void {
    this.#removals += 1;
    this.#removed.set(path, this.#removals);
    this.#pending.delete(path);
  }

  /** Those of what is still there. */
  *left(): Generator<readonly [string, Xattrs], void, undefined> {
    for (const [path, pending] of this.#pending) if (this.#isThere(path, pending)) yield [path, pending.xattrs];
  }

  #isThere(path: string, { removals }: Pending): boolean {
    for (let at = path; at !== ""; at = parentOf(at)) if ((this.#removed.get(at) ?? 0) > removals) return false;
    return true;
  }
}
