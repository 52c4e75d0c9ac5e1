import { DataLossError, ResourceExhaustedError } from "../../errors.js";
import type { WholeLimits } from "../archive/limits.js";
import type { DumpBudget } from "./budget.js";
import type { CriuDump } from "./dump.js";
import { fileType } from "./file-record.js";
import type { DumpMemory } from "./memory.js";
import type { ProcessRecord } from "./records.js";
import type { DumpedSocket } from "./socket-record.js";

/** A file a process had open. */
export interface DumpedFile {
  /** The descriptor; `cwd` and `root` for where the process was. */
  readonly fd: number | "cwd" | "root";
  /** What criu calls its kind, such as `REG`, `PIPE`, `TTY` or `INETSK`; `REG` for `cwd` and `root`. */
  readonly type: string;
  /** Its path, or what stands for one: `pipe[4711]`, or kind and id in the dump for what has no path, such as `EVENTFD.7`. */
  readonly path: string;
  /** The path a fifo or a terminal was opened by, or the name of a memfd. */
  readonly name?: string;
  /** What is known of it when it is a socket. */
  readonly socket?: DumpedSocket;
}

/** A process as it was dumped. */
export interface DumpedProcess {
  /** Its id, in its own namespace. */
  readonly pid: number;
  /** The id of its group. */
  readonly groupId: number;
  /** The id of its session. */
  readonly sessionId: number;
  /** The kernel's short name for it. */
  readonly command: string;
  /** What it was doing. */
  readonly state: "alive" | "stopped" | "dead" | "zombie" | "unknown";
  /** Its arguments; undefined when the dump does not say, as where memory is in a dump before this one. */
  readonly args: readonly string[] | undefined;
  /** Its environment, `NAME=value`; undefined when the dump does not say. */
  readonly env: readonly string[] | undefined;
  /** The path of its program, when the dump says. */
  readonly executable?: string;
  /** Its threads, itself among them. */
  readonly threads: readonly {
    /** Its number in the container. */
    readonly tid: number;
    /** Its name, of 15 characters at most. */
    readonly command: string;
  }[];
  /** Bytes of its memory, wherever they are; undefined when the dump does not say. */
  readonly memoryBytes: number | undefined;
  /** Bytes of address space it shares. */
  readonly sharedMemoryBytes: number | undefined;
  /** What it had open, in the dump's order; then where it was. */
  readonly files: readonly DumpedFile[];
  /** Its children, by their ids. */
  readonly children: readonly DumpedProcess[];
}

const states = { 1: "alive", 2: "dead", 3: "stopped", 6: "zombie" } as const;
// Whoever walks the tree does so by recursion.
const DEEPEST_TREE = 512;
// What a list needs for each, however short it is.
const TEXT_COST = 8;

/**
 * Puts the processes of a dump together: those without a parent in it, with what is below them.
 *
 * @throws {DataLossError} when one is there twice, or they are in a circle
 * @throws {ResourceExhaustedError} when they have more open, or are nested deeper, than is taken
 */
export function processTree(
  dump: CriuDump,
  previous: readonly DumpMemory[],
  { maxRecords }: WholeLimits,
): readonly DumpedProcess[] {
  const children = new Map<number, ProcessRecord[]>();
  const known = new Set(dump.processes.map(({ pid }) => pid));
  if (known.size < dump.processes.length) throw new DataLossError("Cannot read the dump: a process is in it twice");
  for (const process of dump.processes) {
    const parent = known.has(process.parentPid) ? process.parentPid : 0;
    const siblings = children.get(parent) ?? [];
    siblings.push(process);
    children.set(parent, siblings);
  }
  let [made, files] = [0, 0];
  const below = (pid: number, depth: number): readonly DumpedProcess[] => {
    if (depth > DEEPEST_TREE) {
      throw new ResourceExhaustedError(`Cannot read the dump: processes are nested deeper than ${DEEPEST_TREE}`);
    }
    const records = (children.get(pid) ?? []).toSorted((left, right) => left.pid - right.pid);
    return records.map((record) => {
      const open = openFiles(dump, record.pid);
      made += 1;
      files += open.length;
      if (files > maxRecords) {
        throw new ResourceExhaustedError(`Cannot read the dump: its processes have more than ${maxRecords} files open`);
      }
      return { ...processOf(dump, previous, record), files: open, children: below(record.pid, depth + 1) };
    });
  };
  const roots = below(0, 0);
  if (made < dump.processes.length) throw new DataLossError("Cannot read the dump: processes are each other's parents");
  return roots;
}

function processOf(
  dump: CriuDump,
  previous: readonly DumpMemory[],
  { pid, groupId, sessionId, threadIds }: ProcessRecord,
): Omit<DumpedProcess, "files" | "children"> {
  const core = dump.cores.get(pid);
  const memory = dump.memoryRecords.get(pid);
  const texts = (which: "args" | "env") =>
    memory === undefined ? undefined : textsIn(dump.memory.read(pid, memory[which], previous), dump.budget);
  const executable = memory === undefined ? undefined : dump.files.get(memory.executableId)?.path;
  return {
    pid,
    groupId,
    sessionId,
    command: core?.command ?? "",
    state: states[(core?.state ?? 0) as keyof typeof states] ?? "unknown",
    args: texts("args"),
    env: texts("env")?.filter((text) => text !== ""),
    ...(executable === undefined ? {} : { executable }),
    threads: threadIds.map((tid) => ({ tid, command: dump.cores.get(tid)?.command ?? "" })),
    memoryBytes: dump.memory.sizeOf(pid),
    sharedMemoryBytes: memory?.sharedBytes,
  };
}

function openFiles(dump: CriuDump, pid: number): readonly DumpedFile[] {
  const filesId = dump.filesIds.get(pid) ?? dump.cores.get(pid)?.filesId;
  const descriptors = filesId === undefined ? [] : (dump.descriptors.get(filesId) ?? []);
  const place = dump.places.get(pid);
  const pathOf = (id: number) => dump.files.get(id)?.path ?? "unknown";
  return [
    ...descriptors.map(({ fd, type, fileId }) => openFile(dump, fd, fileType(type), fileId)),
    ...(place === undefined
      ? []
      : [
          { fd: "cwd", type: "REG", path: pathOf(place.cwdId) } as const,
          { fd: "root", type: "REG", path: pathOf(place.rootId) } as const,
        ]),
  ];
}

function openFile(dump: CriuDump, fd: number, type: string, id: number): DumpedFile {
  const file = dump.files.get(id);
  const behind = file?.behind;
  const name =
    behind === undefined
      ? undefined
      : behind.kind === "memfd"
        ? dump.memfds.get(behind.id)
        : dump.files.get(behind.id)?.path;
  const unknown: Readonly<Record<string, string>> = { REG: "unknown", PIPE: "pipe[?]", UNIXSK: "unix[?]" };
  return {
    fd,
    type,
    path: file?.path ?? unknown[type] ?? `${type}.${id}`,
    ...(name === undefined ? {} : { name }),
    ...(file?.socket === undefined ? {} : { socket: file.socket }),
  };
}

/** Texts that each end with a zero; the last may lack it. */
function textsIn(bytes: Uint8Array | undefined, budget: DumpBudget): readonly string[] | undefined {
  if (bytes === undefined) return undefined;
  let texts = 1;
  for (const byte of bytes) if (byte === 0) texts += 1;
  budget.takeText(bytes.length + texts * TEXT_COST);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}
