import { BOOKKEEPING, WHITEOUT } from "../../oci/whiteout.js";
import { type TarEntry, type TarFile, type TarStreamFile, writeTar } from "../../tar/tar.js";
import { archiveEntries } from "../archive/entries.js";
import type { WholeLimits } from "../archive/limits.js";
import { carried } from "../rootfs/member.js";
import { rootfsPath } from "../rootfs/rootfs-path.js";
import type { CarriedMount } from "./carried-mounts.js";
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
      if (!devices && isDevice(entry)) {
        notes.leave("device", `/${path}`, "the policy does not allow it");
        continue;
      }
      yield carried(entry);
    }
    yield* ownDirectories;
    if (own.criuLines.length > 0) {
      yield { name: `${OWN_PLACE}/criu.conf`, mode: 0o600, body: text(own.criuLines) };
    }
    for (const mount of own.carried) yield* membersOf(mount, own, limits);
  }
  return writeTar(members());
}

async function* membersOf(
  { name, type, mode, content }: CarriedMount,
  own: OwnFiles,
  limits: WholeLimits,
): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
  const place = `${OWN_PLACE}/${name}`;
  if (type === "file") {
    yield { name: place, mode };
    return;
  }
  let isMade = false;
  for await (const entry of content === undefined ? [] : archiveEntries(own.content(content), limits)) {
    const path = rootfsPath(entry);
    if (!isMade) yield path === "" ? { ...carried(entry), name: `${place}/` } : { name: `${place}/`, type, mode };
    isMade = true;
    // What means something else in a layer, and devices, are none of a volume's.
    if (path === "" || isDevice(entry) || path.split("/").some((part) => part.startsWith(WHITEOUT))) continue;
    const linkName =
      entry.type === "link" ? `${place}/${rootfsPath({ name: entry.linkName ?? "", type: "link" })}` : undefined;
    const member = carried(entry);
    yield { ...member, name: `${place}/${path}`, ...(linkName === undefined ? {} : { linkName }) };
  }
  if (!isMade) yield { name: `${place}/`, type, mode };
}

function isDevice({ type, name }: TarEntry): boolean {
  return (type === "character-device" || type === "block-device") && !name.startsWith(BOOKKEEPING);
}

function text(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
}
