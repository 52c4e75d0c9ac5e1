import { FailedPreconditionError, InvalidArgumentError } from "../../errors.js";
import { BOOKKEEPING, OPAQUE, WHITEOUT } from "../../oci/whiteout.js";
import { type TarFile, type TarStreamFile, writeTar } from "../../tar/tar.js";
import { archiveEntries } from "../archive/entries.js";
import { type ArchiveLimits, limitsOf } from "../archive/limits.js";
import { carried } from "./member.js";
import { parentOf, rootfsPath } from "./rootfs-path.js";

/** What a layer is to those who keep deletions in a list of their own. */
export interface RootfsDiff {
  /** What was added or changed, a plain tar. It can be read once. */
  readonly diff: AsyncIterable<Uint8Array>;
  /** What was deleted, as absolute paths; for when all of the diff was read. */
  deletedFiles(): Promise<readonly string[]>;
  /** How many members the diff has; for when all of it was read. */
  count(): number;
}

/** How a layer is taken apart. */
export interface RootfsDiffOptions extends ArchiveLimits {
  /**
   * The names in a directory of the layers below, and whether each is a directory; undefined where there is none. With it what a
   * directory hides is listed name by name; without it the whole directory is, and engines that delete last lose what is new in it.
   */
  readonly lower?: ((path: string) => Promise<ReadonlyMap<string, boolean> | undefined>) | undefined;
}

/**
 * Makes what Podman and CRI-O keep as `rootfs-diff.tar` and `deleted.files` of a layer, packed or not.
 *
 * @throws {InvalidArgumentError} when a path does not lead straight down, or hides nothing that can be there
 * @throws {DataLossError} when it is no tar, or two readers would see two
 * @throws {ResourceExhaustedError} when a limit is passed
 */
export function rootfsDiffOfLayer(layer: AsyncIterable<Uint8Array>, options: RootfsDiffOptions = {}): RootfsDiff {
  const apart = new LayerApart(layer, options);
  return {
    diff: writeTar(apart.rest()),
    deletedFiles: () => apart.deletedFiles(),
    count: () => apart.members,
  };
}

class LayerApart {
  members = 0;
  /** Whether each path the layer has is a directory. */
  readonly #brought = new Map<string, boolean>();
  readonly #layer: AsyncIterable<Uint8Array>;
  readonly #options: RootfsDiffOptions;
  readonly #gone = new Set<string>();
  readonly #opaque = new Set<string>();

  constructor(layer: AsyncIterable<Uint8Array>, options: RootfsDiffOptions) {
    this.#layer = layer;
    this.#options = options;
  }

  async *rest(): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
    for await (const entry of archiveEntries(this.#layer, limitsOf(this.#options))) {
      const path = rootfsPath(entry);
      const directory = parentOf(path);
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (name === OPAQUE) this.#opaque.add(directory);
      else if (name.startsWith(BOOKKEEPING)) continue;
      else if (name.startsWith(WHITEOUT)) this.#hide(directory, name.slice(WHITEOUT.length), path);
      else {
        this.members += 1;
        this.#bring(path, entry.type === "directory");
        yield carried(entry);
      }
    }
  }

  async deletedFiles(): Promise<readonly string[]> {
    const { lower } = this.#options;
    const gone = new Set<string>();
    for (const path of this.#gone) {
      const brought = this.#brought.get(path);
      if (brought === undefined) gone.add(path);
      else if (brought) this.#opaque.add(path);
    }
    for (const path of this.#opaque) {
      if (lower !== undefined) for (const hidden of await this.#hiddenIn(path, lower)) gone.add(hidden);
      else if (path !== "") gone.add(path);
      else
        throw new FailedPreconditionError("Cannot list what a layer deleted: it hides the whole root of those below");
    }
    return [...gone].map((path) => `/${path}`).sort();
  }

  #bring(path: string, isDirectory: boolean): void {
    this.#brought.set(path, isDirectory);
    for (let at = parentOf(path); at !== "" && !this.#brought.has(at); at = parentOf(at)) this.#brought.set(at, true);
  }

  #hide(directory: string, name: string, path: string): void {
    if (name === "" || name === "." || name === "..") {
      throw new InvalidArgumentError(
        `Cannot use path ${JSON.stringify(path)} of a layer: it hides nothing that can be there`,
      );
    }
    this.#gone.add(directory === "" ? name : `${directory}/${name}`);
  }

  async #hiddenIn(path: string, lower: NonNullable<RootfsDiffOptions["lower"]>): Promise<readonly string[]> {
    const hidden: string[] = [];
    for (const [name, isDirectory] of (await lower(path)) ?? []) {
      const below = path === "" ? name : `${path}/${name}`;
      const brought = this.#brought.get(below);
      if (brought === undefined) hidden.push(below);
      else if (brought && isDirectory) hidden.push(...(await this.#hiddenIn(below, lower)));
    }
    return hidden;
  }
}
