import { AlreadyExistsError, DataLossError, FailedPreconditionError, NotFoundError } from "../../errors.js";
import { type Attributes, type NewNode, type NodeType, Tree, type TreeNode, type Xattrs } from "../../tree/tree.js";
import { byName, joinPath, nameOf, parentOf } from "../../tree/tree-path.js";
import type { Content, Contents } from "./memory-contents.js";

/** A node of a memory tree. It is replaced, never changed, so that trees share it. */
export interface MemoryNode extends Attributes {
  readonly type: Exclude<NodeType, "socket">;
  readonly xattrs: Xattrs;
  readonly content?: Content | undefined;
  readonly linkName?: string | undefined;
  readonly device?: TreeNode["device"];
  /** How many names it has. */
  readonly links: number;
  /** What a directory holds: names and inodes. */
  readonly children?: ReadonlyMap<string, number> | undefined;
}

/** One change of a memory tree. */
export type MemoryChange =
  /** An inode has this node now, or none. A directory's children are told of apart. */
  | { readonly inode: number; readonly node: MemoryNode | undefined }
  /** A name of a directory stands for this inode now, or for none. */
  | { readonly directory: number; readonly name: string; readonly inode: number | undefined };

/** Told of what was changed, all that belongs together at once. */
export type MemoryTreeListener = (changes: readonly MemoryChange[]) => void;

const ROOT = 1;
const NO_XATTRS: Xattrs = new Map();
const newRoot = (): MemoryNode => ({
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  modifiedAt: new Date(),
  xattrs: NO_XATTRS,
  links: 1,
  children: new Map(),
});

/** A tree in memory, which needs no rights and no particular system. Standing on another costs a table, not its content. */
export class MemoryTree extends Tree {
  readonly directory: undefined;
  readonly copyOf: undefined;
  readonly mostLayerBytes: number;
  readonly #nodes: Map<number, MemoryNode>;
  readonly #contents: Contents;
  /** The directories whose table of children is not shared with the tree below. */
  readonly #owned = new Set<number>();
  #listener: MemoryTreeListener | undefined;
  #changes: MemoryChange[] = [];
  /** What undoes the changes. */
  #reversals: MemoryChange[] = [];
  #dropped: Content[] = [];
  #lastInode: number;

  constructor(contents: Contents, base?: MemoryTree) {
    super();
    this.mostLayerBytes = contents.mostLayerBytes;
    this.#contents = contents;
    this.#nodes = base === undefined ? new Map() : new Map(base.#nodes);
    this.#lastInode = base === undefined ? ROOT : base.#lastInode;
    if (base === undefined) this.#nodes.set(ROOT, newRoot());
  }

  /** Has every further change told. */
  listen(listener: MemoryTreeListener): void {
    this.#listener = listener;
    if (this.#nodes.size === 1) listener([{ inode: ROOT, node: this.#node(ROOT) }]);
  }

  /** The nodes by inode. */
  nodes(): ReadonlyMap<number, MemoryNode> {
    return this.#nodes;
  }

  /** Makes a change that a listener was told of. */
  replay(change: MemoryChange): void {
    if ("directory" in change) this.#setName(change.directory, change.name, change.inode);
    else if (change.node === undefined) this.#nodes.delete(change.inode);
    else this.#setNode(change.inode, change.node);
  }

  async stat(path: string): Promise<TreeNode | undefined> {
    const inode = this.#find(path);
    return inode === undefined ? undefined : this.#stat(inode);
  }

  async entries(path: string): Promise<ReadonlyMap<string, TreeNode>> {
    const { children } = this.#node(this.#require(path));
    if (children === undefined) throw new FailedPreconditionError(`open ${path}: not a directory`);
    const sorted = [...children].sort(([left], [right]) => byName(left, right));
    return new Map(sorted.map(([name, inode]) => [name, this.#stat(inode)]));
  }

  async *read(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const { content } = this.#node(this.#require(path));
    if (content === undefined) throw new FailedPreconditionError(`read ${path}: not a file`);
    yield* content.read();
  }

  async xattrs(): Promise<ReadonlyMap<string, Xattrs>> {
    const found = new Map<string, Xattrs>();
    for (const [path, inode] of this.#walk()) {
      const { xattrs } = this.#node(inode);
      if (xattrs.size > 0) found.set(path, xattrs);
    }
    return found;
  }

  async make(path: string, { type, mode, uid, gid, modifiedAt, linkName, device }: NewNode): Promise<void> {
    if (this.#find(path) !== undefined) throw new AlreadyExistsError(`make ${path}: file exists`);
    const children = type === "directory" ? new Map<string, number>() : undefined;
    this.#add(path, { type, mode, uid, gid, modifiedAt, linkName, device, children, links: 1, xattrs: NO_XATTRS });
    this.#done();
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, attributes: Attributes): Promise<void> {
    const content = await this.#contents.take(body);
    try {
      const old = this.#find(path);
      if (old !== undefined && this.#node(old).type !== "file") {
        throw new AlreadyExistsError(`open ${path}: file exists, and is none to write to`);
      }
      const { mode, uid, gid, modifiedAt } = attributes;
      this.#add(path, { type: "file", mode, uid, gid, modifiedAt, content, links: 1, xattrs: NO_XATTRS });
      if (old !== undefined) this.#release(old);
      this.#done();
    } catch (reason) {
      this.#contents.drop(content);
      throw reason;
    }
  }

  async link(path: string, existing: string): Promise<void> {
    const inode = this.#require(existing);
    const node = this.#node(inode);
    if (node.type === "directory") throw new FailedPreconditionError(`link ${existing} ${path}: is a directory`);
    if (this.#find(path) !== undefined) throw new AlreadyExistsError(`link ${existing} ${path}: file exists`);
    this.#requireParent(path);
    this.#put(inode, { ...node, links: node.links + 1 });
    this.#name(path, inode);
    this.#done();
  }

  async change(path: string, { mode, uid, gid, modifiedAt }: Attributes): Promise<void> {
    const inode = this.#require(path);
    this.#put(inode, { ...this.#node(inode), mode, uid, gid, modifiedAt });
    this.#done();
  }

  async setXattrs(all: ReadonlyMap<string, Xattrs>): Promise<void> {
    for (const [path, xattrs] of all) {
      const inode = this.#require(path);
      const node = this.#node(inode);
      this.#put(inode, { ...node, xattrs: new Map([...node.xattrs, ...xattrs]) });
    }
    this.#done();
  }

  async remove(path: string): Promise<void> {
    if (path === "" || this.#find(path) === undefined) return;
    for (const [each, inode] of [...this.#walk(path)].reverse()) {
      this.#name(each, undefined);
      this.#release(inode);
    }
    this.#done();
  }

  /** Ends what belongs together: it is told of, and only then what it left over goes. When it cannot be told of, it is undone. */
  #done(): void {
    const [changes, reversals, dropped] = [this.#changes, this.#reversals, this.#dropped];
    [this.#changes, this.#reversals, this.#dropped] = [[], [], []];
    try {
      if (changes.length > 0) this.#listener?.(changes);
    } catch (reason) {
      for (const reversal of reversals.reverse()) this.replay(reversal);
      throw reason;
    }
    for (const content of dropped) this.#contents.drop(content);
  }

  #stat(inode: number): TreeNode {
    const { type, mode, uid, gid, modifiedAt, linkName, device, content, links } = this.#node(inode);
    const size = content?.size ?? 0;
    const version = content?.id;
    return {
      type,
      mode,
      uid,
      gid,
      modifiedAt,
      size,
      linkName,
      device,
      inode: String(inode),
      links,
      version,
      isCopy: false,
    };
  }

  #add(path: string, node: MemoryNode): void {
    this.#requireParent(path);
    const inode = this.#lastInode + 1;
    this.#put(inode, node);
    this.#name(path, inode);
  }

  /** Gives a name to an inode, or takes it away. */
  #name(path: string, inode: number | undefined): void {
    const directory = this.#requireParent(path);
    const name = nameOf(path);
    this.#changes.push({ directory, name, inode });
    this.#reversals.push({ directory, name, inode: this.#node(directory).children?.get(name) });
    this.#setName(directory, name, inode);
    this.#put(directory, { ...this.#node(directory), modifiedAt: new Date() });
  }

  #put(inode: number, node: MemoryNode): void {
    this.#changes.push({ inode, node });
    this.#reversals.push({ inode, node: this.#nodes.get(inode) });
    this.#setNode(inode, node);
  }

  /** One name less, and with the last one the node. */
  #release(inode: number): void {
    const node = this.#node(inode);
    if (node.links > 1) {
      this.#put(inode, { ...node, links: node.links - 1 });
      return;
    }
    this.#changes.push({ inode, node: undefined });
    this.#reversals.push({ inode, node });
    this.#nodes.delete(inode);
    if (node.content !== undefined) this.#dropped.push(node.content);
  }

  #setNode(inode: number, node: MemoryNode): void {
    const isDirectory = node.type === "directory";
    const children = isDirectory ? (this.#nodes.get(inode)?.children ?? new Map<string, number>()) : undefined;
    if (isDirectory && !this.#nodes.has(inode)) this.#owned.add(inode);
    this.#nodes.set(inode, { ...node, children });
    this.#lastInode = Math.max(this.#lastInode, inode);
  }

  #setName(directory: number, name: string, inode: number | undefined): void {
    if (!this.#owned.has(directory)) {
      const node = this.#node(directory);
      this.#nodes.set(directory, { ...node, children: new Map(node.children) });
      this.#owned.add(directory);
    }
    const children = this.#node(directory).children as Map<string, number>;
    if (inode === undefined) children.delete(name);
    else children.set(name, inode);
  }

  #node(inode: number): MemoryNode {
    const node = this.#nodes.get(inode);
    if (node === undefined) throw new DataLossError(`Cannot find inode ${inode} of a snapshot: its journal is broken`);
    return node;
  }

  #find(path: string): number | undefined {
    let inode: number | undefined = ROOT;
    if (path === "") return inode;
    for (const name of path.split("/")) inode = inode && this.#node(inode).children?.get(name);
    return inode;
  }

  #require(path: string): number {
    const inode = this.#find(path);
    if (inode === undefined) throw new NotFoundError(`open ${path}: no such file or directory`);
    return inode;
  }

  #requireParent(path: string): number {
    const inode = this.#require(parentOf(path));
    if (path === "" || this.#node(inode).type !== "directory") {
      throw new FailedPreconditionError(`open ${path}: not a directory`);
    }
    return inode;
  }

  *#walk(path = ""): Generator<readonly [string, number]> {
    const inode = this.#require(path);
    yield [path, inode];
    for (const name of this.#node(inode).children?.keys() ?? []) yield* this.#walk(joinPath(path, name));
  }
}
