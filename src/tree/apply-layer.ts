import { InvalidArgumentError, NotFoundError } from "../errors.js";
import { BOOKKEEPING, OPAQUE, WHITEOUT } from "../oci/whiteout.js";
import { readTar, type TarEntry, type TarHeader } from "../tar/tar.js";
import { PendingXattrs } from "./pending-xattrs.js";
import type { Attributes, Tree } from "./tree.js";
import { cleanPath, joinPath, nameOf, parentOf, realPath } from "./tree-path.js";

// The kernel's path with the NUL at its end.
const MOST_LINK_BYTES = 4095;
// The one above means to the kernel that the owner stays who it is.
const MOST_ID = 2 ** 32 - 2;

/** How members are put into a tree. */
export interface ApplyPolicy {
  /** Whether a name may lead through links, which then lead nowhere out; or must lead through directories only. */
  readonly followsLinks: boolean;
  /** Whether some names mean that something is not there. */
  readonly hasWhiteouts: boolean;
}

/**
 * Unpacks the tar of a layer over a tree, which nobody vouches for: paths are confined, links lead nowhere out, sizes are
 * bounded.
 *
 * @throws {DataLossError} when it is not a tar, or ends too early
 * @throws {InvalidArgumentError} when a member cannot be
 * @throws {ResourceExhaustedError} when it is larger than the tree takes
 */
export async function applyLayer(tree: Tree, layer: AsyncIterable<Uint8Array>): Promise<void> {
  const policy = { followsLinks: true, hasWhiteouts: true };
  await applyMembers(tree, readTar(layer, { maxBytes: tree.mostLayerBytes }), policy);
}

/**
 * Puts members into a tree, each after the one before it.
 *
 * @throws {InvalidArgumentError} when a member cannot be
 */
export async function applyMembers(tree: Tree, members: AsyncIterable<TarEntry>, policy: ApplyPolicy): Promise<void> {
  const application = new Application(tree, policy);
  for await (const member of members) await application.add(member);
  await application.finish();
}

class Application {
  readonly #tree: Tree;
  readonly #policy: ApplyPolicy;
  /** What this layer brought: an opaque directory keeps it. */
  readonly #brought = new Set<string>();
  /** Directories get their times at the end, for what is put into them changes these. */
  readonly #directories = new Map<string, Attributes>();
  readonly #xattrs = new PendingXattrs();

  constructor(tree: Tree, policy: ApplyPolicy) {
    this.#tree = tree;
    this.#policy = policy;
  }

  async add(entry: TarEntry): Promise<void> {
    if (entry.name.includes("\uFFFD")) throw refused(entry, "its name is not UTF-8");
    checkOwner(entry);
    checkLinkName(entry);
    const { followsLinks, hasWhiteouts } = this.#policy;
    const clean = cleanPath(entry.name, hasWhiteouts ? WHITEOUT : "");
    const above = parentOf(clean);
    const directory = await this.#makeDirectories(followsLinks ? await realPath(this.#tree, above) : above, entry);
    const name = nameOf(clean);
    if (!hasWhiteouts) await this.#put(clean, entry);
    else if (name === OPAQUE) await this.#clear(directory);
    else if (name.startsWith(BOOKKEEPING)) return;
    else if (name.startsWith(WHITEOUT)) await this.#hide(directory, name.slice(WHITEOUT.length), entry);
    else await this.#put(clean === "" ? "" : joinPath(directory, name), entry);
  }

  async finish(): Promise<void> {
    const left = [];
    for (const [path, xattrs] of this.#xattrs.left())
      if ((await this.#tree.stat(path)) !== undefined) left.push([path, xattrs] as const);
    await this.#tree.setXattrs(new Map(left));
    for (const [path, attributes] of this.#directories) {
      if ((await this.#tree.stat(path))?.type === "directory") await this.#tree.change(path, attributes);
    }
  }

  async #put(path: string, entry: TarEntry): Promise<void> {
    const old = await this.#tree.stat(path);
    const isKept = old?.type === "directory" && entry.type === "directory";
    if (path === "" && !isKept) throw refused(entry, "the root is a directory");
    if (old !== undefined && !isKept) await this.#remove(path);
    await this.#make(path, entry, isKept);
    this.#brought.add(path);
    if (entry.type === "directory") this.#directories.set(path, attributesOf(entry));
    if (entry.xattrs !== undefined && entry.type !== "link") this.#xattrs.add(path, entry.xattrs);
  }

  async #make(path: string, entry: TarEntry, isKept: boolean): Promise<void> {
    const attributes = attributesOf(entry);
    const { type, linkName, device } = entry;
    switch (type) {
      case "file":
      case "contiguous-file":
        return this.#tree.write(path, entry.body, attributes);
      case "directory":
        return isKept ? this.#tree.change(path, attributes) : this.#tree.make(path, { ...attributes, type });
      case "link":
        return this.#link(path, entry);
      case "symlink":
        if (!linkName) throw refused(entry, "it points to nothing");
        return this.#tree.make(path, { ...attributes, type, linkName });
      case "fifo":
      case "character-device":
      case "block-device":
        return this.#tree.make(path, { ...attributes, type, device });
    }
  }

  /** A hard link's target is a path in the same tree, and a link at its end is linked to, not followed. */
  async #link(path: string, entry: TarEntry): Promise<void> {
    const { linkName = "" } = entry;
    const target = this.#policy.followsLinks ? await realPath(this.#tree, linkName, false) : cleanPath(linkName);
    const node = await this.#tree.stat(target);
    if (node === undefined) throw new NotFoundError(`Cannot unpack ${entry.name}: what it is a link of is not there`);
    if (node.type === "directory") throw refused(entry, "it is a hard link of a directory");
    await this.#tree.link(path, target);
    this.#xattrs.link(path, target);
  }

  async #makeDirectories(path: string, entry: TarEntry): Promise<string> {
    if (path === "") return path;
    const node = await this.#tree.stat(path);
    if (node?.type === "directory") return path;
    if (node !== undefined) throw refused(entry, `${path} is a ${node.type}, not a directory`);
    await this.#makeDirectories(parentOf(path), entry);
    const attributes = { mode: 0o755, uid: 0, gid: 0, modifiedAt: new Date(0) };
    await this.#tree.make(path, { type: "directory", ...attributes });
    this.#directories.set(path, attributes);
    this.#brought.add(path);
    return path;
  }

  async #hide(directory: string, name: string, entry: TarEntry): Promise<void> {
    if (name === "" || name === "." || name === "..") throw refused(entry, "it hides nothing that can be there");
    await this.#remove(joinPath(directory, name));
  }

  /** Removes what the layers below have in a directory. */
  async #clear(directory: string): Promise<void> {
    for (const [name, { type }] of await this.#tree.entries(directory)) {
      const path = joinPath(directory, name);
      if (!this.#brought.has(path)) await this.#remove(path);
      else if (type === "directory") await this.#clear(path);
    }
  }

  async #remove(path: string): Promise<void> {
    if ((await this.#tree.stat(path)) === undefined) return;
    await this.#tree.remove(path);
    this.#xattrs.remove(path);
  }
}

function attributesOf({ mode, uid, gid, modifiedAt, modifiedAtNs }: TarHeader): Attributes {
  return { mode: mode & 0o7777, uid, gid, modifiedAt, modifiedAtNs };
}

function checkOwner(entry: TarHeader): void {
  for (const id of [entry.uid, entry.gid]) {
    if (!Number.isInteger(id) || id < 0 || id > MOST_ID) throw refused(entry, `nobody has the number ${id}`);
  }
}

function checkLinkName(entry: TarHeader): void {
  const { linkName = "" } = entry;
  if (linkName.includes("\uFFFD")) throw refused(entry, "what it points to is not UTF-8");
  if (linkName.includes("\0") || Buffer.byteLength(linkName) > MOST_LINK_BYTES) {
    throw refused(entry, "what it points to is too long, or has a NUL");
  }
}

function refused({ name, type }: TarHeader, why: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot unpack ${type} ${JSON.stringify(name.slice(0, 200))}: ${why}`);
}
