import type { Labels } from "../../oci/descriptor.js";
import type { JsonObject } from "../../oci/json.js";
import type { Compression } from "../../tar/decompress.js";

/** A file as it comes from an archive or a directory, before it is known what it is. */
export interface ArchiveEntry {
  /** Its path: not cleaned, not confined. */
  readonly name: string;
  /** `file`, `directory` or `symlink`; all else is refused. */
  readonly type: string;
  /** Bytes of content. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** When it last changed. */
  readonly modifiedAt: Date;
  /** What a link points to. */
  readonly linkName?: string;
  /** The content. It is read once, before the next file is asked for, or not at all. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What every part of a checkpoint archive has. */
export interface ArchivePartBase {
  /** Its path in the archive, cleaned: no leading `./`, no `..`, no trailing slash. */
  readonly name: string;
  /** Bytes of content; 0 for directories and the parent link. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** When it last changed. */
  readonly modifiedAt: Date;
  /**
   * The bytes as they are in the archive. Those of a document can be read again and again; those of all else once, and only before the
   * next part is asked for.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

/** The engine's own description of the container: `config.dump`; Docker's `config.v2.json`. */
export interface ConfigPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "config";
  /** What it says. Nothing of it is checked. */
  readonly document: JsonObject;
}

/** The runtime spec the container ran with: `spec.dump`. */
export interface SpecPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "spec";
  /** What it says. Nothing of it is checked. */
  readonly document: JsonObject;
}

/** What containerd's CRI knew of the container: `status` (its own record) or `status.dump` (the CRI's). */
export interface StatusPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "status";
  /** What it says. Nothing of it is checked. */
  readonly document: JsonObject;
}

/** Addresses per network: `network.status`. */
export interface NetworkPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "network";
  /** What it says; undefined when the container had no network of its own. */
  readonly document: JsonObject | undefined;
}

/** What was deleted from the root filesystem: `deleted.files`. */
export interface DeletedFilesPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "deleted-files";
  /** Absolute paths, as they stand there: none leads above the root, nothing else is checked. */
  readonly paths: readonly string[];
}

/** What was changed in the root filesystem: `rootfs-diff.tar`. */
export interface RootfsDiffPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "rootfs-diff";
  /** How the tar in it is packed, whatever its name says. */
  readonly compression: Compression;
}

/** A file of criu's dump. */
export interface CriuPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "criu";
  /** Its name in the dump, such as `pages-1.img` or `descriptors.json`. */
  readonly image: string;
  /** Whether it belongs to the dump that was made before the real one: `pre-checkpoint/`. */
  readonly isPreDump: boolean;
  /** The checkpoint's name, where there may be several: in a directory of Docker's. */
  readonly checkpoint?: string;
}

/** Says where the dump this one builds on lies: `checkpoint/parent`. It is never followed. */
export interface ParentPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "parent";
  /** Where it points, as it stands there. */
  readonly target: string;
}

/** The content of `/dev/shm` as a tar: `devshm-checkpoint.tar`. */
export interface ShmPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "shm";
}

/** The content of a named volume as a tar: `volumes/NAME.tar`. */
export interface VolumePart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "volume";
  /** The volume's name. */
  readonly volume: string;
}

/** A log: the container's (`ctr.log`, `container.log`, `io.kubernetes.cri-o.LogPath`) or criu's (`dump.log`, `restore.log`). */
export interface LogPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "log";
  /** Whose it is. */
  readonly of: "container" | "criu";
}

/** What criu measured: `stats-dump`, `stats-restore`. */
export interface StatsPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "stats";
  /** While it did what. */
  readonly of: "dump" | "restore";
}

/** A bind mount as CRI-O notes it. */
export interface BindMount {
  /** Where it came from on the old host. */
  readonly source: string;
  /** Where it was in the container. */
  readonly destination: string;
  /** Which kind its source was. */
  readonly type: "file" | "directory";
  /** Permission bits of its source. */
  readonly mode: number;
}

/** The bind mounts a restore must find: `bind.mounts`. */
export interface BindMountsPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "bind-mounts";
  /** What it lists. */
  readonly mounts: readonly BindMount[];
}

/** What is known of the pod: `pod.options`, `pod.dump`. */
export interface PodPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "pod";
  /** What it says. Nothing of it is checked. */
  readonly document: JsonObject;
}

/** A directory. */
export interface DirectoryPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "directory";
}

/** What the image that carries the checkpoint says about it; only where it comes as an image. */
export interface ImagePart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "image";
  /** Annotations of its manifest and of the indexes above that, the manifest's first. */
  readonly annotations: Labels;
}

/** A file this library does not know. */
export interface OtherPart extends ArchivePartBase {
  /** Tells it from the other parts. */
  readonly kind: "other";
}

/** One part of a checkpoint archive; `kind` tells which. */
export type ArchivePart =
  | ConfigPart
  | SpecPart
  | StatusPart
  | NetworkPart
  | DeletedFilesPart
  | RootfsDiffPart
  | CriuPart
  | ParentPart
  | ShmPart
  | VolumePart
  | LogPart
  | StatsPart
  | BindMountsPart
  | PodPart
  | DirectoryPart
  | ImagePart
  | OtherPart;
