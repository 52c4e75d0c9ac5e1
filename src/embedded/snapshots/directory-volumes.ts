import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import type { Mount } from "../../api/types/mount_pb.js";
import { DirectoryTree } from "../../tree/directory-tree.js";
import type { Tree } from "../../tree/tree.js";
import { UNFINISHED, type Volumes, volumeMount } from "./volumes.js";

const FILES = "fs";
// Names the volume it was copied from, and was written when that was done.
const COPY = "parent";
const run = promisify(execFile);

/** Volumes that are directories of their own, copied from each other as containerd's `native` snapshotter does it. */
export class DirectoryVolumes implements Volumes {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  async create(id: string, parent: string | undefined): Promise<void> {
    const made = join(this.#root, id + UNFINISHED);
    await mkdir(made, { mode: 0o700 });
    if (parent === undefined) {
      await mkdir(join(made, FILES));
      await chmod(join(made, FILES), 0o755);
    } else {
      await run("cp", ["-aT", "--reflink=auto", this.#files(parent), join(made, FILES)]);
      await writeFile(join(made, COPY), parent);
    }
    await rename(made, join(this.#root, id));
  }

  has(id: string): boolean {
    return existsSync(this.#files(id));
  }

  async open(id: string): Promise<Tree> {
    const copy = join(this.#root, id, COPY);
    if (!existsSync(copy)) return new DirectoryTree(this.#files(id));
    const { ctimeNs } = await stat(copy, { bigint: true });
    return new DirectoryTree(this.#files(id), { of: this.#files(await readFile(copy, "utf8")), atNs: ctimeNs });
  }

  mount(id: string, access: "ro" | "rw"): Mount {
    return volumeMount("bind", this.#files(id), [access, "rbind"]);
  }

  idOf({ type, source }: Mount): string | undefined {
    const [id = "", ...more] = relative(this.#root, source).split(sep);
    return type === "bind" && this.#files(id) === source && more.length === 1 && this.has(id) ? id : undefined;
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#root, id), { recursive: true, force: true });
  }

  async removeOthers(used: () => ReadonlySet<string>): Promise<void> {
    const names = await readdir(this.#root);
    const kept = used();
    for (const name of names) if (!kept.has(name.replace(UNFINISHED, ""))) await this.remove(name);
  }

  #files(id: string): string {
    return join(this.#root, id, FILES);
  }
}
