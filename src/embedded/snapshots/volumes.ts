import { create } from "@bufbuild/protobuf";
import { type Mount, MountSchema } from "../../api/types/mount_pb.js";
import type { Tree } from "../../tree/tree.js";

/** Where snapshots have their files, by id. */
export interface Volumes {
  /** Makes a volume: empty, or with what another one holds now. */
  create(id: string, parent: string | undefined): Promise<void>;
  /** Whether there is such a volume, whole. */
  has(id: string): boolean;
  /** The files of a volume. */
  open(id: string): Promise<Tree>;
  /** What to mount to see a volume's files. */
  mount(id: string, access: "ro" | "rw"): Mount;
  /** The volume behind a mount; undefined when it is none of these. */
  idOf(mount: Mount): string | undefined;
  /** Removes a volume. */
  remove(id: string): Promise<void>;
  /** Removes what no id in use stands for, such as what a crash left. Those in use are asked for after it was looked what there is. */
  removeOthers(used: () => ReadonlySet<string>): Promise<void>;
}

/** What the name of a volume's directory ends with until it is whole. */
export const UNFINISHED = ".new";

/** One mount of a volume. */
export function volumeMount(type: string, source: string, options: readonly string[]): Mount {
  return create(MountSchema, { type, source, options: [...options] });
}
