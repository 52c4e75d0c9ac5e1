import { FailedPreconditionError } from "../../errors.js";
import type { JsonObject } from "../../oci/json.js";
import type { SpecMount } from "../../oci/runtime-spec.js";
import type { BindMount } from "../archive/part.js";
import { objectIn, textIn } from "../inspect/loose-json.js";
import { ownSource } from "./own-place.js";
import type { ForeignSpecPolicy, ImportNotes } from "./policy.js";

/** A bind mount that becomes a file or directory of the container's own. */
export interface CarriedMount {
  /** Its name in the place for such. */
  readonly name: string;
  /** What it must be. */
  readonly type: "file" | "directory";
  /** Its permission bits. */
  readonly mode: number;
  /** Which part of the archive has its content: `shm`, or a volume's name; empty when absent. */
  readonly content?: { readonly kind: "shm" } | { readonly kind: "volume"; readonly volume: string };
}

/** What is known of an archive's bind mounts. */
export interface BindFacts {
  /** As CRI-O lists them. */
  readonly bindMounts: readonly BindMount[];
  /** Podman's config, which names the volumes. */
  readonly config: JsonObject;
  /** The volumes in the archive. */
  readonly volumes: ReadonlySet<string>;
  /** Whether it has the content of `/dev/shm`. */
  readonly hasShm: boolean;
}

/** Filesystems that each container has of its own. */
export const ordinaryTypes: ReadonlySet<string> = new Set("proc sysfs tmpfs devpts mqueue cgroup cgroup2".split(" "));
const enginesFiles =
  /^(?:\/etc\/(?:hosts|hostname|resolv\.conf|mtab)|\/(?:var\/)?run\/\.containerenv|\/dev\/termination-log)$/;
const enginesDirectories = /^(?:\/dev\/shm|\/(?:var\/)?run\/secrets(?:\/kubernetes\.io\/serviceaccount)?)$/;

/** Whether engines mount something of their own there, whatever a spec says. */
export function isEnginesMount(destination: string): boolean {
  return enginesFiles.test(destination) || enginesDirectories.test(destination);
}

/** Whether something of the host, and not a filesystem of the container's own. */
export function isBind({ type, options = [] }: SpecMount): boolean {
  return type === "bind" || options.includes("bind") || options.includes("rbind");
}

/**
 * The mounts of a spec with sources that are there. The dump says which mounts there are, so none can be left out: what stood for
 * them on the old host is replaced.
 *
 * @throws {FailedPreconditionError} when nothing can stand for one
 */
export function carryMounts(
  mounts: readonly SpecMount[],
  facts: BindFacts,
  { mounts: allowed = {} }: ForeignSpecPolicy,
  notes: ImportNotes,
): { readonly mounts: SpecMount[]; readonly carried: readonly CarriedMount[] } {
  const carried: CarriedMount[] = [];
  const mended = mounts.map((mount): SpecMount => {
    const { destination } = mount;
    const wanted = Object.hasOwn(allowed, destination) ? allowed[destination] : undefined;
    if (!isBind(mount)) {
      if (wanted === true || ordinaryTypes.has(mount.type ?? "")) return plain(mount);
      throw refusal(destination, `it is a filesystem of type ${JSON.stringify(mount.type ?? "")}`, "true");
    }
    if (wanted !== undefined) return { ...plain(mount), source: wanted === true ? (mount.source ?? "") : wanted };
    const own = ownFile(mount, facts, String(carried.length), notes);
    carried.push(own);
    // How mounts spread, and who owns what in them, was agreed with the old host.
    const options = (mount.options ?? []).filter((option) => !/^r?(?:shared|slave|unbindable)$|^r?idmap$/.test(option));
    return { destination, type: "bind", source: ownSource(own.name), options };
  });
  return { mounts: mended, carried };
}

/** A mount without what else its spec says of it, such as whose ids are whose in it. */
function plain({ destination, type, source, options }: SpecMount): SpecMount {
  return {
    destination,
    ...(type === undefined ? {} : { type }),
    ...(source === undefined ? {} : { source }),
    ...(options === undefined ? {} : { options }),
  };
}

function ownFile({ destination }: SpecMount, facts: BindFacts, name: string, notes: ImportNotes): CarriedMount {
  if (destination === "/dev/shm") {
    const detail = facts.hasShm ? "its files came along" : "its files are not in the archive: it is empty";
    notes.mend("mount", destination, `a directory of the container's own; ${detail}`);
    return { name, type: "directory", mode: 0o1777, ...(facts.hasShm ? { content: { kind: "shm" } } : {}) };
  }
  const volume = volumeAt(destination, facts.config);
  if (volume !== undefined && facts.volumes.has(volume)) {
    notes.mend("mount", destination, `volume ${JSON.stringify(volume)} is a directory of the container's own`);
    return { name, type: "directory", mode: 0o755, content: { kind: "volume", volume } };
  }
  const listed = facts.bindMounts.find((mount) => mount.destination === destination);
  const type = enginesFiles.test(destination) ? "file" : enginesDirectories.test(destination) ? "directory" : undefined;
  const kind = listed?.type ?? type ?? (volume === undefined ? undefined : "directory");
  if (kind === undefined) throw refusal(destination, "what it showed of the old host is not in the archive", "a path");
  if (type === undefined) notes.leave("mount", destination, `its source: an empty ${kind} stands there`);
  else notes.mend("mount", destination, `an empty ${kind} of the container's own`);
  const mode = (listed?.mode ?? 0) & 0o777;
  return { name, type: kind, mode: mode === 0 ? (kind === "file" ? 0o644 : 0o755) : mode };
}

function volumeAt(destination: string, config: JsonObject): string | undefined {
  const list = config["namedVolumes"];
  const volumes = Array.isArray(list) ? list.map((volume: unknown) => objectIn({ volume }, "volume")) : [];
  const found = volumes.find((volume) => textIn(volume, "dest") === destination);
  return found && textIn(found, "volumeName");
}

function refusal(destination: string, why: string, allow: string): FailedPreconditionError {
  return new FailedPreconditionError(
    `Cannot import the archive: nothing can stand for its mount ${destination}: ${why}`,
    {
      hint: `Say what shall: policy.mounts[${JSON.stringify(destination)}] = ${allow}.`,
    },
  );
}
