import type { Message } from "./message.js";
import { type DumpedSocket, inetSocket, netlinkSocket, packetSocket, unixSocket } from "./socket-record.js";

/** An open file, whoever has it open. */
export interface FileRecord {
  /** Its id in the dump. */
  readonly id: number;
  /** What one would call it: a path, or `pipe[4711]`. */
  readonly path?: string;
  /** The file a fifo or a terminal was opened by, or the inode of a memfd. */
  readonly behind?: { readonly kind: "file" | "memfd"; readonly id: number };
  /** What is known of a socket. */
  readonly socket?: DumpedSocket;
}

/** What criu calls the kinds of open files; their numbers are their places. */
const types =
  "UND REG PIPE FIFO INETSK UNIXSK EVENTFD EVENTPOLL INOTIFY SIGNALFD PACKETSK TTY FANOTIFY NETLINKSK NS TUNF EXT TIMERFD MEMFD BPFMAP PIDFD".split(
    " ",
  );

/** The name of a kind of open file. */
export function fileType(number: number): string {
  return types[number] ?? `${number}`;
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/fdinfo.proto */
export function fileRecord(entry: Message): FileRecord {
  const id = entry.number(2);
  if (entry.has(3)) return regularFile(entry.message(3), id);
  if (entry.has(18)) return pipe(entry.message(18), id);
  if (entry.has(17)) return { id, behind: { kind: "file", id: entry.message(17).number(3) } };
  if (entry.has(19)) return { id, behind: { kind: "file", id: entry.message(19).number(6) } };
  if (entry.has(20)) return { id, behind: { kind: "memfd", id: entry.message(20).number(5) } };
  if (entry.has(16)) return unixSocketFile(entry.message(16), id);
  if (entry.has(4)) return { id, socket: inetSocket(entry.message(4)) };
  if (entry.has(6)) return { id, socket: packetSocket(entry.message(6)) };
  if (entry.has(7)) return { id, socket: netlinkSocket(entry.message(7)) };
  return { id };
}

/** A regular file, which before criu 3.5 had an image of its kind's own. */
export function regularFile(entry: Message, id: number = entry.number(1)): FileRecord {
  return { id, path: entry.text(6) };
}

/** A pipe. */
export function pipe(entry: Message, id: number = entry.number(1)): FileRecord {
  return { id, path: `pipe[${entry.number(2)}]` };
}

/** A socket with a path. */
export function unixSocketFile(entry: Message, id: number = entry.number(1)): FileRecord {
  const socket = unixSocket(entry);
  return { id, path: `unix[${entry.number(2)} (${entry.number(8)}) ${socket.path ?? ""}]`, socket };
}
