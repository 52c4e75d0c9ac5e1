import type { Descriptor } from "../../oci/descriptor.js";
import { BOOKKEEPING, WHITEOUT } from "../../oci/whiteout.js";
import { compress } from "../../tar/compress.js";
import { type TarEntry, writeTar } from "../../tar/tar.js";
import { archiveEntries } from "../archive/entries.js";
import type { WholeLimits } from "../archive/limits.js";
import { type RootfsDiff, rootfsDiffOfLayer } from "../rootfs/from-layer.js";
import { carried } from "../rootfs/member.js";
import { parentOf, rootfsPath } from "../rootfs/rootfs-path.js";
import type { ExportedCheckpoint } from "./exported.js";
import { isOwnPath, OWN_PLACE } from "./own-place.js";

/** What was changed in a root filesystem, as engines keep it, its size known before its bytes. */
export interface ExportedDiff {
  /** Bytes of the tar; undefined when there is nothing in it. */
  readonly size?: number;
  /** Opens the tar. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** What was deleted, where that is a list of its own. */
  readonly deletedFiles: readonly string[];
  /** Whether something in it is on that list and brought anew, too, so that whoever deletes last loses it. */
  readonly isEmptied: boolean;
  /** What the layer has of mounts that are the container's own, by their names. It is no part of the tar. */
  readonly own: OwnContents;
}

/** Mounts that are the container's own: whether each is a directory, and whether there is anything in it. */
export type OwnContents = ReadonlyMap<string, { readonly isDirectory: boolean; readonly isFilled: boolean }>;
type FoundContents = Map<string, { readonly isDirectory: boolean; readonly isFilled: boolean }>;

/** Takes a layer apart twice: once to know how large it will be, once to write it. Nothing of it is held. */
export async function exportedDiff(
  exported: ExportedCheckpoint,
  rw: Descriptor | undefined,
  limits: WholeLimits,
): Promise<ExportedDiff> {
  const own: FoundContents = new Map();
  if (rw === undefined) return { open: () => empty(), deletedFiles: [], isEmptied: false, own };
  const options = { ...limits, lower: lowerNames(exported, limits) };
  const begin = (found?: FoundContents): RootfsDiff =>
    rootfsDiffOfLayer(withoutOwn(exported, rw, limits, found), options);
  const first = begin(own);
  const size = await lengthOf(first.diff);
  const deletedFiles = await first.deletedFiles();
  const isEmptied = deletedFiles.length > 0 && (await bringsBack(exported, rw, deletedFiles, limits));
  return { ...(first.count() === 0 ? {} : { size }), open: () => begin().diff, deletedFiles, isEmptied, own };
}

/** The layer, packed, for engines that keep layers: that it is packed tells it from what others keep under the same name. */
export async function exportedLayer(
  exported: ExportedCheckpoint,
  rw: Descriptor | undefined,
  limits: WholeLimits,
): Promise<ExportedDiff> {
  const own: FoundContents = new Map();
  const open = (found?: FoundContents) =>
    rw === undefined ? empty() : compress(withoutOwn(exported, rw, limits, found), "gzip");
  const size = await lengthOf(open(own));
  return { ...(rw === undefined ? {} : { size }), open, deletedFiles: [], isEmptied: false, own };
}

async function bringsBack(
  exported: ExportedCheckpoint,
  rw: Descriptor,
  deletedFiles: readonly string[],
  limits: WholeLimits,
): Promise<boolean> {
  const deleted = new Set(deletedFiles.map((path) => path.slice(1)));
  for await (const entry of archiveEntries(withoutOwn(exported, rw, limits), limits)) {
    const path = rootfsPath(entry);
    if (path.slice(path.lastIndexOf("/") + 1).startsWith(WHITEOUT)) continue;
    for (let at = path; at !== ""; at = parentOf(at)) if (deleted.has(at)) return true;
  }
  return false;
}

/** Without what the import of an archive added. */
function withoutOwn(
  { provider, call }: ExportedCheckpoint,
  rw: Descriptor,
  limits: WholeLimits,
  found: FoundContents = new Map(),
) {
  async function* members() {
    for await (const entry of archiveEntries(provider.read(rw, call), limits)) {
      const path = rootfsPath(entry);
      if (isOwnPath(path)) note(path, entry, found);
      else if (path !== "dev") yield carried(entry);
    }
  }
  return writeTar(members());
}

function note(path: string, { type, size }: TarEntry, found: FoundContents): void {
  const [name = "", ...below] = path.slice(OWN_PLACE.length + 1).split("/");
  if (name === "" || (below.at(-1) ?? name).startsWith(WHITEOUT)) return;
  const { isDirectory = type === "directory", isFilled = false } = found.get(name) ?? {};
  const isEmpty = below.length === 0 && (type === "directory" || (type === "file" && size === 0));
  found.set(name, { isDirectory: isDirectory || below.length > 0, isFilled: isFilled || !isEmpty });
}

/** The names in directories of the base image; undefined when the image is not known. */
function lowerNames({ base, provider, call }: ExportedCheckpoint, limits: WholeLimits) {
  if (base === undefined) return undefined;
  let reading: Promise<Map<string, Map<string, boolean>>> | undefined;
  async function read(): Promise<Map<string, Map<string, boolean>>> {
    const directories = new Map<string, Map<string, boolean>>();
    const remove = (path: string) => {
      directories.get(parentOf(path))?.delete(path.slice(path.lastIndexOf("/") + 1));
      for (const known of directories.keys())
        if (known === path || known.startsWith(`${path}/`)) directories.delete(known);
    };
    const add = (path: string, isDirectory: boolean) => {
      if (path === "") return;
      const parent = parentOf(path);
      if (directories.get(parent) === undefined) add(parent, true);
      const names = directories.get(parent) ?? new Map<string, boolean>();
      directories.set(parent, names.set(path.slice(path.lastIndexOf("/") + 1), isDirectory));
    };
    for (const layer of base?.layers ?? []) {
      for await (const entry of archiveEntries(provider.read(layer, call), limits)) {
        const path = rootfsPath(entry);
        const name = path.slice(path.lastIndexOf("/") + 1);
        const parent = parentOf(path);
        if (name === `${BOOKKEEPING}.opq`)
          for (const below of [...(directories.get(parent)?.keys() ?? [])]) remove(`${parent}/${below}`);
        else if (name.startsWith(WHITEOUT)) remove(parent === "" ? name.slice(4) : `${parent}/${name.slice(4)}`);
        else add(path, entry.type === "directory");
      }
    }
    return directories;
  }
  return async (path: string) => {
    reading ??= read();
    return (await reading).get(path);
  };
}

async function lengthOf(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of chunks) length += chunk.length;
  return length;
}

async function* empty(): AsyncGenerator<Uint8Array, void, undefined> {}
