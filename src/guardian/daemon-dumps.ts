import { lstat, readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Where containerd has criu dump the memory of a container, when it is to go into its store by itself. */
export interface DaemonDumps {
  /** Its temporary directory, as it calls it. */
  readonly path: string;
  /** The same, as it is reached from here. */
  readonly here: string;
  /** How the images of the container's dump name its cgroup. */
  readonly cgroup: string;
  /** When the first of them may have been made, in milliseconds since 1970. */
  readonly sinceMs: number;
}

/** A directory in it. */
interface Dump {
  readonly path: string;
  readonly here: string;
}

/** What was removed, and what is written to still. */
export interface RemovedDumps {
  readonly removed: readonly string[];
  readonly busy: readonly string[];
}

const BUSY_MS = 10_000;
const POLL_MS = 100;
// A dump is as old as its directory; what was unpacked from an archive is older.
const SAME_MS = 2_000;
const OTHERS = 0o077;
const MOST_CGROUPS_BYTES = 1024 * 1024;
const NAME = /^ct(?:r)?d-checkpoint\d+$/;

/**
 * Removes the memory that containerd had criu dump into its own temporary directory for a caller who went away: it takes the
 * directory away while criu still writes, and what comes later stays. A directory is known by its age, its mode and the cgroup of the
 * container in it. Waits some seconds for criu to come to an end there.
 */
export async function removeDaemonDumps(dumps: DaemonDumps): Promise<RemovedDumps> {
  const removed: string[] = [];
  const young = await youngDumps(dumps);
  if (young.length === 0) return { removed, busy: [] };
  const busy = await writtenTo(young);
  for (const { path, here } of young) {
    if (busy.includes(path) || !(await holdsDumpOf(here, dumps.cgroup))) continue;
    await rm(here, { recursive: true, force: true });
    removed.push(path);
  }
  return { removed, busy };
}

/** The daemon's own directories that are not older. */
async function youngDumps({ path, here, sinceMs }: DaemonDumps): Promise<Dump[]> {
  const young: Dump[] = [];
  for (const name of await readdir(here).catch(() => [])) {
    if (!NAME.test(name)) continue;
    const one = { path: join(path, name), here: join(here, name) };
    const found = await lstat(one.here).catch(() => undefined);
    if (found === undefined || !found.isDirectory() || found.uid !== 0 || (found.mode & OTHERS) !== 0) continue;
    if (found.ctimeMs >= sinceMs - SAME_MS) young.push(one);
  }
  return young;
}

/** Those in which a process holds something open, however long one waits. */
async function writtenTo(dumps: readonly Dump[]): Promise<string[]> {
  const deadline = Date.now() + BUSY_MS;
  for (;;) {
    const open = await openFiles();
    const isOpen = ({ path }: Dump) => open.some((file) => file === path || file.startsWith(`${path}/`));
    const busy = dumps.filter(isOpen).map(({ path }) => path);
    if (busy.length === 0 || Date.now() > deadline) return busy;
    await sleep(POLL_MS);
  }
}

/** What all processes have open, by the names they know it by. */
async function openFiles(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const open = pids.map(async (pid) => {
    const directory = `/proc/${pid}/fd`;
    const numbers = await readdir(directory).catch(() => []);
    return Promise.all(numbers.map((number) => readlink(join(directory, number)).catch(() => "")));
  });
  return (await Promise.all(open)).flat();
}

/** Whether criu dumped it there, and of a task in that cgroup. */
async function holdsDumpOf(directory: string, cgroup: string): Promise<boolean> {
  const file = join(directory, "cgroup.img");
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size > MOST_CGROUPS_BYTES) return false;
  if (found.ctimeMs - found.mtimeMs > SAME_MS) return false;
  const text = await readFile(file, "latin1");
  for (let at = text.indexOf(cgroup); at >= 0; at = text.indexOf(cgroup, at + 1)) {
    if (!/[\w.-]/.test(text[at + cgroup.length] ?? "")) return true;
  }
  return false;
}
