import { parentOf } from "./rootfs-path.js";

/** What a list of deleted files leaves to be deleted where a diff brought something back, whichever of the two was applied first. */
export class DeletedPaths {
  readonly #paths: ReadonlySet<string>;
  readonly #brought = new Map<string, "file" | "directory">();
  readonly #above = new Set<string>();

  /** Begins with what was deleted, as paths below the root. */
  constructor(paths: Iterable<string>) {
    this.#paths = new Set(paths);
  }

  /** Takes note of a member of the diff. */
  bring(path: string, isDirectory: boolean): void {
    if (this.#paths.size === 0) return;
    for (let at = path; at !== ""; at = parentOf(at)) {
      if (!this.#paths.has(at)) continue;
      this.#brought.set(path, isDirectory ? "directory" : "file");
      for (let above = parentOf(path); above !== "" && !this.#above.has(above); above = parentOf(above))
        this.#above.add(above);
      return;
    }
  }

  /** Those that are gone for good, those that came back as an empty directory, in which more came back, and those that were replaced. */
  *fates(): Generator<{ readonly path: string; readonly fate: "gone" | "emptied" | "replaced" }, void, undefined> {
    for (const path of this.#paths) {
      const brought = this.#brought.get(path);
      if (brought === "file") yield { path, fate: "replaced" };
      else yield { path, fate: brought === "directory" || this.#above.has(path) ? "emptied" : "gone" };
    }
  }

  /** Whether the diff brought that, or something below it. */
  isBrought(path: string): boolean {
    return this.#brought.has(path) || this.#above.has(path);
  }
}
