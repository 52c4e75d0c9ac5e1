import { BOOKKEEPING, WHITEOUT } from "../../oci/whiteout.js";
import { type TarFile, type TarStreamFile, writeTar } from "../../tar/tar.js";
import { archiveEntries } from "../archive/entries.js";
import type { WholeLimits } from "../archive/limits.js";
import { carried } from "../rootfs/member.js";
import { rootfsPath } from "../rootfs/rootfs-path.js";
import type { CarriedMount } from "./carried-mounts.js";
import { isDevice, OwnContent } from "./own-content.js";
import { isOwnPath, OWN_PLACE, ownDirectories } from "./own-place.js";
import type { ImportNotes } from "./policy.js";

/** What goes into a writable layer beside what was changed. */
export interface OwnFiles {
  readonly carried: readonly CarriedMount[];
  readonly criuLines: readonly string[];
  /** Opens the tar with a mount's content. */
  readonly content: (mount: NonNullable<CarriedMount["content"]>) => AsyncIterable<Uint8Array>;
}

/** A layer with what a container needs of its old host in it, behind all else; a plain tar. */
export function withOwnFiles(
  layer: AsyncIterable<Uint8Array> | undefined,
  own: OwnFiles,
  { devices, limits, notes }: { readonly devices: boolean; readonly limits: WholeLimits; readonly notes: ImportNotes },
): AsyncGenerator<Uint8Array, void, undefined> {
  async function* members(): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
    for await (const entry of layer === undefined ? [] : archiveEntries(layer, limits)) {
      const path = rootfsPath(entry);
      // The directory above that place is made by us.
      if (path === "" || path === "dev" || path === `${WHITEOUT}dev` || isOwnPath(path)) continue;
      if (!devices && isDevice(entry) && !entry.name.startsWith(BOOKKEEPING)) {
        notes.leave("device", `/${path}`, "the policy does not allow it");
        continue;
      }
      yield carried(entry);
    }
    yield* ownDirectories;
    for (const mount of own.carried) yield* membersOf(mount, own, limits, notes);
    // Last, so that nothing of the archive's can take its place.
    if (own.criuLines.length > 0) {
      yield { name: `${OWN_PLACE}/criu.conf`, mode: 0o600, body: text(own.criuLines) };
    }
  }
  return writeTar(members());
}

/** The member of the archive that has a mount's content. */
export function contentName(content: NonNullable<CarriedMount["content"]>): string {
  return content.kind === "shm" ? "devshm-checkpoint.tar" : `volumes/${content.volume}.tar`;
}

async function* membersOf(
  { name, type, mode, content }: CarriedMount,
  own: OwnFiles,
  limits: WholeLimits,
  notes: ImportNotes,
): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
  const place = `${OWN_PLACE}/${name}`;
  if (type === "file") {
    yield { name: place, mode };
    return;
  }
  if (content === undefined) {
    yield { name: `${place}/`, type, mode };
    return;
  }
  const tar = contentName(content);
  const within = new OwnContent(tar, place);
  let isMade = false;
  for await (const entry of archiveEntries(own.content(content), limits)) {
    const isRoot = rootfsPath(entry) === "";
    if (!isMade) yield isRoot ? { ...carried(entry), name: `${place}/` } : { name: `${place}/`, type, mode };
    isMade = true;
    if (isRoot) continue;
    const member = within.member(entry);
    if (member !== undefined) yield member;
    else if (isDevice(entry)) notes.leave("device", `${entry.name} of ${tar}`, "a mount's content brings none");
    else notes.leave("file", `${entry.name} of ${tar}`, "its name means something else in a layer");
  }
  if (!isMade) yield { name: `${place}/`, type, mode };
}

function text(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
}
