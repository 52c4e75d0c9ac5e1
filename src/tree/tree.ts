import { FailedPreconditionError, NotFoundError } from "../errors.js";
import type { DeviceNumbers } from "../tar/tar.js";
import { realPath } from "./tree-path.js";

/** What a path of a tree is. */
export type NodeType = "file" | "directory" | "symlink" | "fifo" | "character-device" | "block-device" | "socket";

/** Extended attributes by name. */
export type Xattrs = ReadonlyMap<string, Uint8Array>;

/** What can be set of a node. */
export interface Attributes {
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** To the millisecond. */
  readonly modifiedAt: Date;
  /** The same in nanoseconds since 1970, where it is known to be finer. */
  readonly modifiedAtNs?: bigint | undefined;
}

/** A node that is made at once, without content. */
export interface NewNode extends Attributes {
  readonly type: Exclude<NodeType, "file" | "socket">;
  /** What a symbolic link points to. */
  readonly linkName?: string | undefined;
  readonly device?: DeviceNumbers | undefined;
}

/** What there is at a path; links are not followed. */
export interface TreeNode extends Attributes {
  readonly type: NodeType;
  /** Bytes of a file's content. */
  readonly size: number;
  readonly linkName?: string | undefined;
  /** What a symbolic link points to, where that is not UTF-8: `linkName` only shows it then. */
  readonly linkBytes?: Uint8Array | undefined;
  readonly device?: DeviceNumbers | undefined;
  /** The same for all hard links of one file. */
  readonly inode: string;
  /** How many names it has. */
  readonly links: number;
  /** Where it is the same for two files of snapshots that stand on each other, so is their content. */
  readonly version: string | undefined;
  /** Whether nobody touched it since it was copied from the tree below. */
  readonly isCopy: boolean;
}

/**
 * The files behind mounts a snapshotter handed out. Unless it says otherwise a method takes a clean path, as `cleanPath`
 * makes it, goes through directories only and follows no link: so nothing leads out.
 */
export abstract class Tree {
  /** The directory they are in; undefined where they are in memory. */
  abstract readonly directory: string | undefined;
  /** The directory of which this one began as a copy. */
  abstract readonly copyOf: string | undefined;
  /** The most bytes of one unpacked layer that are taken in. */
  abstract readonly mostLayerBytes: number;

  /** What there is at a path; undefined when there is nothing. */
  abstract stat(path: string): Promise<TreeNode | undefined>;
  /** What there is in a directory, by name, sorted. */
  abstract entries(path: string): Promise<ReadonlyMap<string, TreeNode>>;
  /** The content of a file. */
  abstract read(path: string): AsyncIterable<Uint8Array>;
  /** The extended attributes of everything that has some, by path. */
  abstract xattrs(): Promise<ReadonlyMap<string, Xattrs>>;
  /** Makes something where there is nothing. */
  abstract make(path: string, node: NewNode): Promise<void>;
  /** Makes a file of its own, in the place of what file there is. */
  abstract write(path: string, body: AsyncIterable<Uint8Array>, attributes: Attributes): Promise<void>;
  /** Makes a further name of what there is at `existing`. */
  abstract link(path: string, existing: string): Promise<void>;
  /** Sets attributes. */
  abstract change(path: string, attributes: Attributes): Promise<void>;
  /** Sets extended attributes, by path; others stay. */
  abstract setXattrs(all: ReadonlyMap<string, Xattrs>): Promise<void>;
  /** Removes what there is at a path, with all below. */
  abstract remove(path: string): Promise<void>;

  /**
   * The bytes of a regular file. Takes any path; symbolic links are followed inside the tree.
   *
   * @throws {NotFoundError} when there is none
   * @throws {FailedPreconditionError} when it is no regular file
   */
  async readFile(path: string): Promise<Uint8Array> {
    const real = await realPath(this, path);
    const node = await this.stat(real);
    if (node === undefined) throw new NotFoundError(`open ${path}: no such file or directory`);
    if (node.type !== "file") throw new FailedPreconditionError(`open ${path}: is a ${node.type}, not a file`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(real)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /**
   * Writes a regular file whole, and makes it where there is none; its directory must be there. Takes any path; symbolic
   * links are followed inside the tree.
   */
  async writeFile(path: string, bytes: Uint8Array, mode?: number): Promise<void> {
    const real = await realPath(this, path);
    const old = await this.stat(real);
    const owner = { uid: old?.uid ?? 0, gid: old?.gid ?? 0 };
    const attributes = { ...owner, mode: mode ?? old?.mode ?? 0o644, modifiedAt: new Date() };
    await this.write(real, once(bytes), attributes);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
