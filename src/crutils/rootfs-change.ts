/** One change of a root filesystem, as engines list them. */
export interface RootfsChange {
  /** The absolute path in the root filesystem. */
  readonly path: string;
  /** What was done to it. */
  readonly kind: "added" | "modified" | "deleted";
}

/** Where changes of a root filesystem are found. */
export type RootfsDiffSource = ListedChanges | TwoTrees | OverlayChanges;

/** Changes somebody lists, such as the engine that keeps the container. */
export interface ListedChanges {
  /** The root filesystem as it is now. */
  readonly mountPoint: string;
  /** What was changed in it. What was added is taken with all below; of a modified directory only itself. */
  readonly changes: readonly RootfsChange[];
}

/** Two directories, compared. */
export interface TwoTrees {
  /** The root filesystem as it was. */
  readonly lower: string;
  /** The root filesystem as it is now. */
  readonly mountPoint: string;
}

/** The upper directory of an overlay. */
export interface OverlayChanges {
  /** The directory the overlay writes to. */
  readonly upperdir: string;
  /**
   * The directories below it, the uppermost first. With them all is listed that a directory hides which was made anew; without them
   * that whole directory is, and engines that delete last lose what is new in it.
   */
  readonly lowerdirs?: readonly string[] | undefined;
}
