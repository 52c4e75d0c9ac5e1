import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Mount } from "../../api/types/mount_pb.js";
import type { Tree } from "../../tree/tree.js";
import { ContentFiles, contentsInMemory } from "./memory-contents.js";
import { MemoryTree } from "./memory-tree.js";
import { TreeJournal } from "./tree-journal.js";
import { UNFINISHED, type Volumes, volumeMount } from "./volumes.js";

/** No kernel knows it: only the containerd that handed it out can look into it. */
const MOUNT_TYPE = "embedded";

/** Volumes in memory, and in a directory when there is one: any system's, without rights. */
export class MemoryVolumes implements Volumes {
  readonly #root: string | undefined;
  readonly #trees = new Map<string, MemoryTree>();

  constructor(root: string | undefined) {
    this.#root = root;
    if (root !== undefined) mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  async create(id: string, parent: string | undefined): Promise<void> {
    if (this.#root !== undefined) {
      const directory = join(this.#root, id);
      mkdirSync(`${directory}${UNFINISHED}`, { mode: 0o700 });
      writeFileSync(join(`${directory}${UNFINISHED}`, "parent"), parent ?? "");
      renameSync(`${directory}${UNFINISHED}`, directory);
    }
    this.#trees.set(id, await this.#read(id, parent));
  }

  has(id: string): boolean {
    return this.#trees.has(id) || (this.#root !== undefined && existsSync(join(this.#root, id, "parent")));
  }

  async open(id: string): Promise<Tree> {
    return this.#open(id);
  }

  mount(id: string, access: "ro" | "rw"): Mount {
    return volumeMount(MOUNT_TYPE, id, [access]);
  }

  idOf({ type, source }: Mount): string | undefined {
    return type === MOUNT_TYPE && /^[0-9a-f-]+$/.test(source) && this.has(source) ? source : undefined;
  }

  async remove(id: string): Promise<void> {
    this.#trees.delete(id);
    if (this.#root !== undefined) await rm(join(this.#root, id), { recursive: true, force: true });
  }

  async removeOthers(used: () => ReadonlySet<string>): Promise<void> {
    const names = [...this.#trees.keys(), ...(this.#root === undefined ? [] : await readdir(this.#root))];
    const kept = used();
    for (const name of new Set(names)) if (!kept.has(name.replace(UNFINISHED, ""))) await this.remove(name);
  }

  async #open(id: string): Promise<MemoryTree> {
    const known = this.#trees.get(id);
    if (known !== undefined) return known;
    const parent = readFileSync(join(this.#root ?? "", id, "parent"), "utf8");
    const tree = await this.#read(id, parent === "" ? undefined : parent);
    const other = this.#trees.get(id);
    if (other !== undefined) return other;
    this.#trees.set(id, tree);
    return tree;
  }

  async #read(id: string, parent: string | undefined): Promise<MemoryTree> {
    const below = parent === undefined ? undefined : await this.#open(parent);
    if (this.#root === undefined) return new MemoryTree(contentsInMemory, below);
    const contents = new ContentFiles(this.#root, id);
    const tree = new MemoryTree(contents, below);
    const journal = new TreeJournal(join(this.#root, id, "journal"));
    journal.replay(tree, this.#root);
    contents.dropOthers(tree.nodes());
    tree.listen((changes) => journal.append(changes));
    return tree;
  }
}
