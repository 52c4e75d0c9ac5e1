import { execFile } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { promisify } from "node:util";
import { FailedPreconditionError, NotImplementedError } from "../errors.js";
import { nodeFromStat } from "./directory-stat.js";
import { readXattrs } from "./directory-xattrs.js";
import { setExactTimes } from "./exact-times.js";
import { readAll } from "./read-all.js";
import { writeSparsely } from "./sparse-write.js";
import { type Attributes, type NewNode, Tree, type TreeNode, type Xattrs } from "./tree.js";
import { byName, nameOf, parentOf } from "./tree-path.js";
import { cannotSetXattrs, writeXattrs } from "./write-xattrs.js";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
// Node.js does not name it: a descriptor that says where something is, and opens nothing.
const O_PATH = 0o10000000;
const MOST_LAYER_BYTES = 64 * 2 ** 30;
const run = promisify(execFile);

/** One directory held open: what is at a path in it stays where it is, whoever renames what lies above. */
interface Held extends Disposable {
  /** The path of what was asked for, by the descriptor. */
  readonly path: string;
}

/**
 * A tree that is a directory of this machine, Linux and root provided, so that the kernel can mount it. A container may run in
 * it: paths are walked one descriptor at a time, so that no link it makes meanwhile leads out.
 */
export class DirectoryTree extends Tree {
  readonly directory: string;
  readonly copyOf: string | undefined;
  readonly mostLayerBytes: number = MOST_LAYER_BYTES;
  readonly #copiedAtNs: bigint;
  readonly #keepsOwners: boolean;

  /**
   * @param directory where the files are.
   * @param copy of what they were made a copy, and when that was finished.
   * @param keepsOwners whether owners are set; who is not root cannot.
   */
  constructor(directory: string, copy?: { readonly of: string; readonly atNs: bigint }, keepsOwners = true) {
    super();
    this.directory = directory;
    this.copyOf = copy?.of;
    this.#copiedAtNs = copy?.atNs ?? 0n;
    this.#keepsOwners = keepsOwners;
  }

  async stat(path: string): Promise<TreeNode | undefined> {
    try {
      using held = this.#hold(path);
      return nodeAt(held.path, this.#copiedAtNs);
    } catch (reason) {
      if (isAbsence(reason)) return undefined;
      throw reason;
    }
  }

  /** @param leaveOut told of what has a name that is no text, which is an error otherwise. */
  async entries(path: string, leaveOut?: (node: TreeNode) => void): Promise<ReadonlyMap<string, TreeNode>> {
    using held = this.#hold(path);
    const fd = openSync(held.path, DIRECTORY);
    const found = new Map<string, TreeNode>();
    try {
      for (const name of readdirSync(`/proc/self/fd/${fd}`).sort(byName)) {
        if (name.includes("\uFFFD")) {
          if (leaveOut !== undefined) continue;
          throw new NotImplementedError(`Cannot list ${this.directory}/${path}: the name ${name} is not UTF-8`);
        }
        found.set(name, nodeAt(`/proc/self/fd/${fd}/${name}`, this.#copiedAtNs));
      }
      for (const name of leaveOut === undefined ? [] : readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
        const odd = Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
        if (name.toString().includes("\uFFFD")) leaveOut?.(nodeAt(odd, this.#copiedAtNs));
      }
    } finally {
      closeSync(fd);
    }
    return found;
  }

  async *read(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    yield* readAll(this.#openFile(path));
  }

  xattrs(): Promise<ReadonlyMap<string, Xattrs>> {
    return readXattrs(this.directory);
  }

  /** Those of what is at these paths. */
  xattrsOf(paths: Iterable<string>): Promise<ReadonlyMap<string, Xattrs>> {
    return readXattrs(this.directory, { only: paths });
  }

  /** Those too with which an overlay marks what is in its upper directory. */
  allXattrs(): Promise<ReadonlyMap<string, Xattrs>> {
    return readXattrs(this.directory, { marks: true });
  }

  async make(path: string, node: NewNode): Promise<void> {
    using held = this.#hold(path);
    if (node.type === "directory") mkdirSync(held.path, 0o700);
    else if (node.type === "symlink") symlinkSync(node.linkName ?? "", held.path);
    else await makeSpecial(outside(held.path), node, `${this.directory}/${path}`);
    this.#setAttributes(held.path, node);
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, attributes: Attributes): Promise<void> {
    if ((await this.stat(path))?.type === "file") await this.remove(path);
    using held = this.#hold(path);
    const fd = openSync(held.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await writeSparsely(fd, body);
      if (this.#keepsOwners) fchownSync(fd, attributes.uid, attributes.gid);
      fchmodSync(fd, attributes.mode);
      futimesSync(fd, secondsOf(attributes), secondsOf(attributes));
    } catch (reason) {
      unlinkSync(held.path);
      throw reason;
    } finally {
      closeSync(fd);
    }
  }

  async link(path: string, existing: string): Promise<void> {
    using from = this.#hold(existing);
    using to = this.#hold(path);
    linkSync(from.path, to.path);
  }

  async change(path: string, attributes: Attributes): Promise<void> {
    using held = this.#hold(path);
    this.#setAttributes(held.path, attributes);
  }

  async setXattrs(all: ReadonlyMap<string, Xattrs>): Promise<void> {
    const failed = await this.trySetXattrs(all, this.directory);
    for (const [path, reason] of failed) throw cannotSetXattrs(path, reason);
  }

  /**
   * Sets extended attributes, and tells where that cannot be done, and why.
   *
   * @param near where a directory can be made for a moment, on a file system that takes the same attributes.
   */
  async trySetXattrs(all: ReadonlyMap<string, Xattrs>, near: string): Promise<ReadonlyMap<string, Error>> {
    return writeXattrs(near, all, (path) => this.#open(path));
  }

  /**
   * Sets times that are finer than Node.js can set them; where that cannot be done they stay what they are.
   *
   * @returns the paths where it could not be done.
   */
  async setTimesExactly(all: ReadonlyMap<string, bigint>): Promise<readonly string[]> {
    return setExactTimes(all, (path) => this.#open(path));
  }

  async remove(path: string): Promise<void> {
    if (path === "") return;
    using held = this.#hold(path);
    removeAll(held.path);
  }

  /** Says where something is, and opens nothing. */
  #open(path: string): number {
    using held = this.#hold(path);
    return openSync(held.path, O_PATH | O_NOFOLLOW);
  }

  #setAttributes(path: string, attributes: Attributes): void {
    if (this.#keepsOwners) lchownSync(path, attributes.uid, attributes.gid);
    const fd = openSync(path, O_PATH | O_NOFOLLOW);
    try {
      // After the owner, whose change takes setuid away. A link has no bits of its own.
      if (!fstatSync(fd).isSymbolicLink()) chmodSync(`/proc/self/fd/${fd}`, attributes.mode);
    } finally {
      closeSync(fd);
    }
    lutimesSync(path, secondsOf(attributes), secondsOf(attributes));
  }

  #openFile(path: string): number {
    using held = this.#hold(path);
    // Without waiting: it may be a fifo by now, of which nobody has the other end.
    const fd = openSync(held.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    throw new FailedPreconditionError(`Cannot read ${this.directory}/${path}: it is no regular file`);
  }

  #hold(path: string): Held {
    let fd = openSync(this.directory, O_PATH | O_DIRECTORY);
    try {
      for (const name of parentOf(path).split("/")) {
        if (name === "") continue;
        const next = openSync(`/proc/self/fd/${fd}/${name}`, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        closeSync(fd);
        fd = next;
      }
    } catch (reason) {
      closeSync(fd);
      throw reason;
    }
    return { path: `/proc/self/fd/${fd}/${nameOf(path) || "."}`, [Symbol.dispose]: () => closeSync(fd) };
  }
}

function nodeAt(path: string | Buffer, copiedAtNs: bigint): TreeNode {
  const stat = lstatSync(path, { bigint: true });
  return nodeFromStat(stat, stat.isSymbolicLink() ? readlinkSync(path, { encoding: "buffer" }) : undefined, copiedAtNs);
}

/** The same path, for another process. */
function outside(path: string): string {
  return path.replace("/proc/self/", `/proc/${process.pid}/`);
}

async function makeSpecial(path: string, { type, device }: NewNode, shown: string): Promise<void> {
  const numbers = type === "fifo" ? [] : [String(device?.major ?? 0), String(device?.minor ?? 0)];
  const letter = { fifo: "p", "character-device": "c", "block-device": "b" }[type as string] ?? "";
  try {
    await run("mknod", ["-m", "0600", path, letter, ...numbers]);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
    throw new NotImplementedError(`Cannot make ${shown}: it is a ${type}, and there is no mknod program`, {
      cause: reason,
    });
  }
}

/**
 * Seconds such that their microseconds are the same after the way through a double. In text: Node.js takes a negative number
 * for no time, and sets the present.
 */
function secondsOf({ modifiedAt, modifiedAtNs }: Attributes): string {
  const us = modifiedAtNs === undefined ? modifiedAt.getTime() * 1000 : Number(modifiedAtNs / 1000n);
  return String(us % 1_000_000 === 0 ? us / 1_000_000 : (us + Math.sign(us) * 0.25) / 1_000_000);
}

/** Names are bytes: they need not be text. */
function removeAll(path: string | Buffer): void {
  if (!lstatSync(path).isDirectory()) {
    unlinkSync(path);
    return;
  }
  const fd = openSync(path, DIRECTORY);
  try {
    for (const name of readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
      removeAll(Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]));
    }
  } finally {
    closeSync(fd);
  }
  rmdirSync(path);
}

function isAbsence(reason: unknown): boolean {
  const { code } = reason as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP";
}
