import { UnknownError } from "../../errors.js";
import { Tree, type TreeNode, type Xattrs } from "../../tree/tree.js";

/** A tree that is looked at. What would write fails as it does on a read-only mount. */
export class ReadOnlyTree extends Tree {
  readonly directory: string | undefined;
  readonly copyOf: string | undefined;
  readonly mostLayerBytes: number;
  readonly #tree: Tree;

  constructor(tree: Tree) {
    super();
    this.#tree = tree;
    this.directory = tree.directory;
    this.copyOf = tree.copyOf;
    this.mostLayerBytes = tree.mostLayerBytes;
  }

  stat(path: string): Promise<TreeNode | undefined> {
    return this.#tree.stat(path);
  }

  entries(path: string): Promise<ReadonlyMap<string, TreeNode>> {
    return this.#tree.entries(path);
  }

  read(path: string): AsyncIterable<Uint8Array> {
    return this.#tree.read(path);
  }

  xattrs(): Promise<ReadonlyMap<string, Xattrs>> {
    return this.#tree.xattrs();
  }

  make(path: string): Promise<void> {
    return this.#refuse(path);
  }

  write(path: string): Promise<void> {
    return this.#refuse(path);
  }

  link(path: string): Promise<void> {
    return this.#refuse(path);
  }

  change(path: string): Promise<void> {
    return this.#refuse(path);
  }

  async setXattrs(all: ReadonlyMap<string, Xattrs>): Promise<void> {
    for (const path of all.keys()) await this.#refuse(path);
  }

  remove(path: string): Promise<void> {
    return this.#refuse(path);
  }

  async #refuse(path: string): Promise<never> {
    throw new UnknownError(`open ${path}: read-only file system`);
  }
}
