import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { fileError } from "../../content/layout/file-errors.js";
import { DataLossError } from "../../errors.js";
import { writeWhole } from "../metadata/whole-file.js";
import { ContentFiles } from "./memory-contents.js";
import type { MemoryChange, MemoryNode, MemoryTree } from "./memory-tree.js";

/** One of the things that a line says: a node, that there is none any more, or a name. */
type Entry =
  | { readonly inode: number; readonly node: NodeEntry }
  | { readonly inode: number }
  | { readonly directory: number; readonly name: string; readonly inode: number | null };

interface NodeEntry extends Omit<MemoryNode, "modifiedAt" | "xattrs" | "content" | "children"> {
  readonly modifiedAtMs: number;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly content?: { readonly id: string; readonly size: number } | undefined;
}

const FEW_LINES = 1000;

/** What was done to a memory tree, line by line in a file: read again, it is the tree. */
export class TreeJournal {
  readonly #path: string;
  /** Up to where its lines are whole, once this one has written. */
  #length: number | undefined;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  }

  /**
   * Writes down what was done at once, or nothing of it.
   *
   * @throws {ResourceExhaustedError} when there is no room
   */
  append(changes: readonly MemoryChange[]): void {
    const line = Buffer.from(lineOf(changes));
    try {
      const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
      const length = this.#length ?? size;
      this.#length = length;
      // What a failure left that could not be taken back.
      if (size > length) truncateSync(this.#path, length);
      this.#write(line, length);
      this.#length = length + line.length;
    } catch (reason) {
      throw fileError(reason, `write ${this.#path}`);
    }
  }

  /**
   * Does to a tree what was done, and writes the file anew where most of it is of no account any more.
   *
   * @param tree what the snapshot began as.
   * @param contents where the bytes of files are.
   * @throws {DataLossError} when the file is broken elsewhere than at its very end
   */
  replay(tree: MemoryTree, contents: string): void {
    if (!existsSync(this.#path)) return;
    const before = new Map(tree.nodes());
    const lines = readFileSync(this.#path, "utf8").split("\n");
    // Empty after a whole last line; what else is there was being written when the process ended.
    const torn = lines.pop();
    for (const [at, line] of lines.entries()) this.#redo(tree, contents, line, at + 1);
    const entries = [...difference(before, tree.nodes())];
    if (torn === "" && lines.length < FEW_LINES + 2 * entries.length) return;
    const bytes = Buffer.from(entries.map((entry) => lineOf([entry])).join(""));
    writeWhole(this.#path, bytes, { temporary: `${this.#path}.new` });
  }

  #write(line: Uint8Array, length: number): void {
    try {
      appendFileSync(this.#path, line, { mode: 0o600 });
    } catch (reason) {
      if (existsSync(this.#path)) truncateSync(this.#path, length);
      throw reason;
    }
  }

  #redo(tree: MemoryTree, contents: string, line: string, number: number): void {
    let entries: Entry[];
    try {
      entries = JSON.parse(line) as Entry[];
    } catch (reason) {
      throw new DataLossError(`Cannot read ${this.#path}: line ${number} is broken`, { cause: reason });
    }
    for (const entry of entries) tree.replay(changeOf(entry, contents));
  }
}

function* difference(
  before: ReadonlyMap<number, MemoryNode>,
  after: ReadonlyMap<number, MemoryNode>,
): Generator<MemoryChange, void, undefined> {
  for (const [inode, node] of after) if (before.get(inode) !== node) yield { inode, node };
  for (const [directory, { children = new Map<string, number>() }] of after) {
    const old = before.get(directory)?.children ?? new Map<string, number>();
    if (old === children) continue;
    for (const name of old.keys()) if (!children.has(name)) yield { directory, name, inode: undefined };
    for (const [name, inode] of children) if (old.get(name) !== inode) yield { directory, name, inode };
  }
  for (const inode of before.keys()) if (!after.has(inode)) yield { inode, node: undefined };
}

function lineOf(changes: readonly MemoryChange[]): string {
  return `${JSON.stringify(changes.map(entryOf))}\n`;
}

function entryOf(change: MemoryChange): Entry {
  if ("directory" in change) return { ...change, inode: change.inode ?? null };
  return { inode: change.inode, ...(change.node === undefined ? {} : { node: nodeEntry(change.node) }) };
}

function changeOf(entry: Entry, contents: string): MemoryChange {
  if ("directory" in entry) return { ...entry, inode: entry.inode ?? undefined };
  return { inode: entry.inode, node: "node" in entry ? nodeOf(entry.node, contents) : undefined };
}

function nodeEntry(node: MemoryNode): NodeEntry {
  const { type, mode, uid, gid, links, linkName, device, modifiedAt, xattrs, content } = node;
  return {
    type,
    mode,
    uid,
    gid,
    links,
    linkName,
    device,
    modifiedAtMs: modifiedAt.getTime(),
    xattrs: Object.fromEntries([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString("base64")])),
    content: content && { id: content.id, size: content.size },
  };
}

function nodeOf({ modifiedAtMs, xattrs, content, ...rest }: NodeEntry, contents: string): MemoryNode {
  return {
    ...rest,
    modifiedAt: new Date(modifiedAtMs),
    xattrs: new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value, "base64")])),
    content: content && ContentFiles.at(contents, content.id, content.size),
  };
}
