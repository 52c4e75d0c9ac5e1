import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Mount } from "../../api/types/mount_pb.js";
import { FailedPreconditionError, InvalidArgumentError } from "../../errors.js";
import type { Tree } from "../../tree/tree.js";
import type { Daemon } from "../daemon.js";
import { DirectoryVolumes } from "./directory-volumes.js";
import { contentsInMemory } from "./memory-contents.js";
import { MemoryTree } from "./memory-tree.js";
import { MemoryVolumes } from "./memory-volumes.js";
import { ReadOnlyTree } from "./read-only-tree.js";
import { Snapshotter } from "./snapshotter.js";
import type { Volumes } from "./volumes.js";

/** The one that clients ask for unless they are told otherwise, and the one whose manner of keeping files this is. */
const NAMES = ["overlayfs", "native"];

/**
 * The snapshotters of a daemon. With a root, on Linux, for uid 0, snapshots are directories that the kernel can mount; else they
 * are in memory, written to the root when there is one.
 */
export class Snapshotters {
  readonly byName: ReadonlyMap<string, Snapshotter>;
  readonly #daemon: Pick<Daemon, "records" | "namespaces">;
  readonly #volumes: Volumes;

  /** @throws {FailedPreconditionError} when the root has snapshots that only uid 0 can use */
  constructor(daemon: Pick<Daemon, "root" | "records" | "namespaces" | "hold">) {
    this.#daemon = daemon;
    const volumes = volumesIn(daemon.root);
    this.#volumes = volumes;
    this.byName = new Map(NAMES.map((name) => [name, new Snapshotter(name, daemon, volumes)]));
    this.#recover();
  }

  /**
   * The files behind mounts; without any a tree that nobody else sees.
   *
   * @throws {InvalidArgumentError} when they are not of a snapshotter of this daemon
   */
  async filesystem(mounts: readonly Mount[]): Promise<Tree> {
    const [mount, ...more] = mounts;
    if (mount === undefined) return new MemoryTree(contentsInMemory);
    const id = this.#volumes.idOf(mount);
    if (id === undefined || more.length > 0 || mount.target !== "") {
      throw new InvalidArgumentError(
        `Cannot look into mount ${mount.type} of ${mount.source}: no snapshotter of this containerd handed it out`,
      );
    }
    const tree = await this.#volumes.open(id);
    return mount.options.includes("ro") ? new ReadOnlyTree(tree) : tree;
  }

  /** The files of a snapshot. */
  async open({ id }: { readonly id: string }): Promise<Tree> {
    return new ReadOnlyTree(await this.#volumes.open(id));
  }

  /** Removes files that no snapshot has. */
  async clean(): Promise<void> {
    await this.#volumes.removeOthers(() => {
      const all = this.#daemon.namespaces().map((namespace) => this.#daemon.records(namespace, "snapshots"));
      return new Set(all.flatMap((records) => [...records.entries()].map(([, { id }]) => id)));
    });
  }

  /** Forgets snapshots whose files were being made when the process ended, and those that were committed by then. */
  #recover(): void {
    for (const namespace of this.#daemon.namespaces()) {
      const records = this.#daemon.records(namespace, "snapshots");
      const all = [...records.entries()];
      const committed = new Set(all.filter(([, { kind }]) => kind === "committed").map(([, { id }]) => id));
      for (const [recordKey, { id, kind }] of all) {
        if (!this.#volumes.has(id) || (kind === "active" && committed.has(id))) records.delete(recordKey);
      }
    }
  }
}

function volumesIn(root: string | undefined): Volumes {
  if (root === undefined) return new MemoryVolumes(undefined);
  const [directories, trees] = [join(root, "snapshots"), join(root, "trees")];
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  if (existsSync(directories) && !isRoot) {
    throw new FailedPreconditionError(
      `Cannot use ${root}: its snapshots are directories, which only uid 0 on Linux can use`,
    );
  }
  return isRoot && !existsSync(trees) ? new DirectoryVolumes(directories) : new MemoryVolumes(trees);
}
