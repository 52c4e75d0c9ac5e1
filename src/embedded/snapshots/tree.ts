/** The files behind mounts a snapshotter handed out. */
export interface Tree {
  /** The directory they are in; undefined where they are in memory. */
  readonly directory: string | undefined;
  /** The bytes of a regular file; symbolic links are followed inside the tree. */
  readFile(path: string): Promise<Uint8Array>;
  /** Writes a regular file whole, and makes it where there is none; its directory must be there. */
  writeFile(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
}
