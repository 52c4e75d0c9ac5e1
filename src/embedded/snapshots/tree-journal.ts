import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DataLossError } from "../../errors.js";
import { ContentFiles } from "./memory-contents.js";
import type { MemoryNode, MemoryTree, MemoryTreeListener } from "./memory-tree.js";

/** What a line says: a node, that there is none any more, or a name. */
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
export class TreeJournal implements MemoryTreeListener {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  }

  onNode(inode: number, node: MemoryNode | undefined): void {
    this.#append(node === undefined ? { inode } : { inode, node: nodeEntry(node) });
  }

  onName(directory: number, name: string, inode: number | undefined): void {
    this.#append({ directory, name, inode: inode ?? null });
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
    writeFileSync(`${this.#path}.new`, entries.map(lineOf).join(""), { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }

  #redo(tree: MemoryTree, contents: string, line: string, number: number): void {
    let entry: Entry;
    try {
      entry = JSON.parse(line) as Entry;
    } catch (reason) {
      throw new DataLossError(`Cannot read ${this.#path}: line ${number} is broken`, { cause: reason });
    }
    if ("directory" in entry) tree.replay.onName(entry.directory, entry.name, entry.inode ?? undefined);
    else tree.replay.onNode(entry.inode, "node" in entry ? nodeOf(entry.node, contents) : undefined);
  }

  #append(entry: Entry): void {
    appendFileSync(this.#path, lineOf(entry), { mode: 0o600 });
  }
}

function* difference(
  before: ReadonlyMap<number, MemoryNode>,
  after: ReadonlyMap<number, MemoryNode>,
): Generator<Entry, void, undefined> {
  for (const [inode, node] of after) if (before.get(inode) !== node) yield { inode, node: nodeEntry(node) };
  for (const [directory, { children = new Map<string, number>() }] of after) {
    const old = before.get(directory)?.children ?? new Map<string, number>();
    if (old === children) continue;
    for (const name of old.keys()) if (!children.has(name)) yield { directory, name, inode: null };
    for (const [name, inode] of children) if (old.get(name) !== inode) yield { directory, name, inode };
  }
  for (const inode of before.keys()) if (!after.has(inode)) yield { inode };
}

function lineOf(entry: Entry): string {
  return `${JSON.stringify(entry)}\n`;
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
