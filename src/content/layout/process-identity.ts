import { readFileSync, readlinkSync } from "node:fs";

/** Names a process for good: an id alone is given out again. */
interface ProcessIdentity {
  /** Of which start of which machine. */
  readonly boot: string;
  /** In which world of process ids: containers of one machine have several. */
  readonly namespace: string;
  readonly pid: number;
  /** When it was started, in clock ticks since boot. */
  readonly startedAt: string;
}

const UNKNOWN = "0";

let own: ProcessIdentity | undefined;

/** This process, as a part of a file's name. */
export function ownIdentity(): string {
  const { boot, namespace, pid, startedAt } = identity();
  return [boot, namespace, pid, startedAt].join("_");
}

/**
 * Tells whether the process a file was named for is there. Undefined when that cannot be told from here: it is in another
 * container, of another start of the machine, or there is no `/proc`.
 */
export function isAlive(named: string): boolean | undefined {
  const [boot, namespace, id, startedAt] = named.split("_");
  const mine = identity();
  const pid = Number(id);
  if (boot !== mine.boot || namespace !== mine.namespace || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return isRunning(pid, startedAt ?? "");
}

/** Tells whether the process of that number that was started then runs. Undefined when it, or one that has its number now, is hidden. */
export function isRunning(pid: number, startedAt: string): boolean | undefined {
  const found = startOf(pid);
  if (found !== undefined) return found === startedAt;
  try {
    process.kill(pid, 0);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return undefined;
}

function identity(): ProcessIdentity {
  own ??= {
    boot: readOr(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    namespace: readOr(() => readlinkSync("/proc/self/ns/pid").replaceAll(/\D/g, "")),
    pid: process.pid,
    startedAt: startOf(process.pid) ?? UNKNOWN,
  };
  return own;
}

/** When the process was started; empty when it is dead and nobody has asked how it ended; undefined when it cannot be seen. */
export function startOf(pid: number): string | undefined {
  const stat = readOr(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (stat === UNKNOWN) return undefined;
  // The second field is the program's name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "" : fields[19];
}

/** Not every system has these files, and not every process may read them. */
function readOr(read: () => string): string {
  try {
    return read();
  } catch {
    return UNKNOWN;
  }
}
