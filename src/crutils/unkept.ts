/** What of one file could not be kept, and why. */
export interface Unkept {
  /** Its path below the root. */
  readonly path: string;
  /** What it is that was not kept; a socket is not kept at all, and means nothing without who listens on it. */
  readonly what: "owner" | "mode" | "xattrs" | "time" | "names" | "socket";
  /** Why. */
  readonly reason: string;
}

/** That a directory lost extended attributes. */
export function lostXattrsOf(path: string, names: readonly string[]): Unkept {
  return { path, what: "xattrs", reason: `no tar can say that a directory lost ${names.join(", ")}` };
}
