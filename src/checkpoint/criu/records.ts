import type { Message } from "./message.js";

/** More numbers for threads no kernel has. */
const MOST_THREADS = 2 ** 22;

/** A process as criu notes it. */
export interface ProcessRecord {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly threadIds: readonly number[];
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/pstree.proto */
export function processRecord(entry: Message): ProcessRecord {
  return {
    pid: entry.number(1),
    parentPid: entry.number(2),
    groupId: entry.number(3),
    sessionId: entry.number(4),
    threadIds: entry.numbers(5, MOST_THREADS),
  };
}

/** What a process or thread was doing. */
export interface CoreRecord {
  readonly architecture: string;
  readonly state: number;
  readonly exitCode: number;
  readonly command: string;
  readonly filesId: number | undefined;
}

const architectures = ["unknown", "x86_64", "arm", "aarch64", "ppc64", "s390", "mips", "loongarch64", "riscv64"];

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/core.proto */
export function coreRecord(entry: Message): CoreRecord {
  const task = entry.message(3);
  return {
    architecture: architectures[entry.number(1)] ?? "unknown",
    state: task.number(1),
    exitCode: task.number(2),
    // That of a thread stands with what is the thread's own.
    command: entry.has(3) ? task.text(6) : entry.message(5).text(13),
    filesId: entry.has(4) ? entry.message(4).number(2) : undefined,
  };
}

/** A descriptor in a table of open files. */
export interface DescriptorRecord {
  readonly fileId: number;
  readonly type: number;
  readonly fd: number;
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/fdinfo.proto */
export function descriptorRecord(entry: Message): DescriptorRecord {
  return { fileId: entry.number(1), type: entry.number(3), fd: entry.number(4) };
}

/** Where a process is in the filesystem. */
export interface FsRecord {
  readonly cwdId: number;
  readonly rootId: number;
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/fs.proto */
export function fsRecord(entry: Message): FsRecord {
  return { cwdId: entry.number(1), rootId: entry.number(2) };
}

/** What criu measured while it dumped. Times are microseconds. */
export interface DumpStatistics {
  /** How long it took to freeze all processes. */
  readonly freezingTimeUs: number;
  /** How long they were frozen. */
  readonly frozenTimeUs: number;
  /** How long it took to take their memory. */
  readonly memoryDumpTimeUs: number;
  /** How long it took to write it. */
  readonly memoryWriteTimeUs: number;
  /** Pages looked at. */
  readonly pagesScanned: number;
  /** Pages that the dump before this one has already. */
  readonly pagesSkipped: number;
  /** Pages written. */
  readonly pagesWritten: number;
  /** Pages left behind, to be fetched when they are needed. */
  readonly pagesLazy: number;
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/stats.proto */
export function dumpStatistics(entry: Message): DumpStatistics | undefined {
  if (!entry.has(1)) return undefined;
  const dump = entry.message(1);
  return {
    freezingTimeUs: dump.number(1),
    frozenTimeUs: dump.number(2),
    memoryDumpTimeUs: dump.number(3),
    memoryWriteTimeUs: dump.number(4),
    pagesScanned: dump.number(5),
    pagesSkipped: dump.number(6),
    pagesWritten: dump.number(7),
    pagesLazy: dump.number(9),
  };
}

/** A mount of the container's as criu saw it. */
export interface DumpedMount {
  /** Where it is. */
  readonly path: string;
  /** What is mounted. */
  readonly source: string;
  /** The kind of filesystem, as far as criu gives its name. */
  readonly filesystem: string;
  /** Which directory of that filesystem it shows. */
  readonly root: string;
  /** The name by which a restore must map it to something of the new host; absent when it is the container's own. */
  readonly externalKey?: string;
}

// Of the flags of mount(2).
const READ_ONLY = 1;

const filesystems =
  "unsupported proc sysfs devtmpfs binfmt_misc tmpfs devpts simfs pstore securityfs fusectl debugfs cgroup aufs mqueue fuse auto overlay autofs tracefs rpc_pipefs nfs nfs4 cgroup2".split(
    " ",
  );

/** Whether nothing can be written through a mount. */
export function isReadOnlyMount(entry: Message): boolean {
  return (entry.number(5) & READ_ONLY) !== 0;
}

/** What a mount's filesystem may turn out to be: criu goes by the number and mounts by the name, which both are there or not. */
export function filesystemsOf(entry: Message): readonly string[] {
  const [kind = "unsupported", name] = [filesystems[entry.number(1)], entry.text(14)];
  if (name === "") return [kind];
  return kind === "auto" || kind === "unsupported" ? [name] : [kind, name];
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/mnt.proto */
export function mountRecord(entry: Message): DumpedMount {
  const externalKey = entry.text(18);
  return {
    path: entry.text(7),
    source: entry.text(8),
    filesystem: entry.text(14) || (filesystems[entry.number(1)] ?? "unsupported"),
    root: entry.text(6),
    ...(externalKey === "" ? {} : { externalKey }),
  };
}
