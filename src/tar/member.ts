/** What kind of thing a member of a tar is. */
export type TarEntryType =
  | "file"
  | "link"
  | "symlink"
  | "directory"
  | "block-device"
  | "character-device"
  | "fifo"
  | "contiguous-file";

/** The numbers of a device. */
export interface DeviceNumbers {
  /** The driver's. */
  readonly major: number;
  /** The device's own. */
  readonly minor: number;
}

/** What a tar says about one of its members. */
export interface TarHeader {
  /** Its path as it stands in the archive: not cleaned, not confined. What is not UTF-8 in it shows as U+FFFD. */
  readonly name: string;
  /** What it is. */
  readonly type: TarEntryType;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  /** Number of the user. */
  readonly uid: number;
  /** Number of the group. */
  readonly gid: number;
  /** When the content last changed, to the millisecond. */
  readonly modifiedAt: Date;
  /** The same in nanoseconds since 1970, where it is finer than a millisecond. */
  readonly modifiedAtNs?: bigint | undefined;
  /** What a link points to. What is not UTF-8 in it shows as U+FFFD. */
  readonly linkName?: string;
  /** Which device it is; absent for all but devices. */
  readonly device?: DeviceNumbers;
  /** Extended attributes by name; absent when there are none. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** One member of a tar, with its content. */
export interface TarEntry extends TarHeader {
  /** The content. It can be read once, and only before the next member is asked for; what is left unread is skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** One member to write; what is absent is what a plain file of root's has. */
export interface TarFile extends Partial<Omit<TarHeader, "size">> {
  /** Its path in the archive. */
  readonly name: string;
  /** The content of a file; empty when absent. */
  readonly body?: Uint8Array;
}

/** A file to be written to a tar without being held in memory. */
export interface TarStreamFile extends Partial<Omit<TarHeader, "size" | "type" | "linkName" | "device">> {
  /** Its path in the archive. */
  readonly name: string;
  /** Bytes of its content. */
  readonly size: number;
  /** Opens the content, when its turn comes. */
  readonly body: () => AsyncIterable<Uint8Array>;
}
