import { lstat, readdir, readFile, readlink, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Where containerd has criu dump the memory of a container, when it is to go into its store by itself. */
export interface DaemonDumps {
  /** Its temporary directory, as it calls it. */
  readonly path: string;
  /** The same, as it is reached from here. */
  readonly here: string;
  /** How the images of the container's dump name its cgroup. */
  readonly cgroup: string;
  /** The container, as a runtime is told of it that has criu write there. */
  readonly container: { readonly namespace: string; readonly id: string };
  /** When the first of them may have been made, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** When the last of them may have been made; what was made later is somebody else's. */
  readonly untilMs?: number | undefined;
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
const HEADER_BYTES = 12;
const NAME = /^ct(?:r)?d-checkpoint\d+$/;

/**
 * Removes the memory that containerd had criu dump into its own temporary directory for a caller who went away: it takes the
 * directory away while criu still writes, and what comes later stays. A directory is known by its age, its mode and the cgroup of the
 * container in it, or by the runtime that was seen at work there. Waits for criu to come to an end there, for some seconds unless told otherwise; not for what is known to be another
 * container's, and not once it is over.
 */
export async function removeDaemonDumps(
  dumps: DaemonDumps,
  { busyMs = BUSY_MS, over }: { readonly busyMs?: number | undefined; readonly over?: AbortSignal | undefined } = {},
): Promise<RemovedDumps> {
  const removed: string[] = [];
  const known = new Set<string>();
  const deadline = performance.now() + busyMs;
  for (let pending = await youngDumps(dumps); ; await sleep(POLL_MS)) {
    // Before it is asked whose they are: what is quiet by then says so in full.
    const { open, written } = pending.length === 0 ? { open: [], written: [] } : await processes(dumps.container);
    for (const path of written) known.add(path);
    const busy: Dump[] = [];
    for (const dump of pending) {
      if (over?.aborted === true) break;
      const cgroups = await cgroupsIn(dump.here);
      // The daemon may take away what says so while the memory still comes.
      const isOurs = known.has(dump.path) || (cgroups !== undefined && names(cgroups, dumps.cgroup));
      if (isOurs) known.add(dump.path);
      if (!isOurs && cgroups !== undefined && isWhole(cgroups)) continue;
      if (open.some((file) => file === dump.path || file.startsWith(`${dump.path}/`))) {
        busy.push(dump);
      } else if (isOurs) {
        await rm(dump.here, { recursive: true, force: true });
        removed.push(dump.path);
      }
    }
    if (busy.length === 0 || over?.aborted === true || performance.now() > deadline)
      return { removed, busy: busy.map(({ path }) => path) };
    pending = busy;
  }
}

/** The daemon's own directories that are not older. */
async function youngDumps({ path, here, sinceMs, untilMs = Number.POSITIVE_INFINITY }: DaemonDumps): Promise<Dump[]> {
  const young: Dump[] = [];
  for (const name of await readdir(here).catch(() => [])) {
    if (!NAME.test(name)) continue;
    const one = { path: join(path, name), here: join(here, name) };
    const found = await lstat(one.here).catch(() => undefined);
    if (found === undefined || !found.isDirectory() || found.uid !== 0 || (found.mode & OTHERS) !== 0) continue;
    // Where the filesystem does not know when it was made, that is long ago.
    if (found.ctimeMs >= sinceMs - SAME_MS && found.birthtimeMs <= untilMs) young.push(one);
  }
  return young;
}

/** What all processes have open, by the names they know it by, and where runtimes have criu write the container's memory. */
async function processes(
  container: DaemonDumps["container"],
): Promise<{ readonly open: readonly string[]; readonly written: readonly string[] }> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const [open, written] = await Promise.all([
    Promise.all(pids.map(openFiles)),
    Promise.all(pids.map((pid) => imagesOf(pid, container))),
  ]);
  return { open: open.flat(), written: written.flat() };
}

async function openFiles(pid: string): Promise<string[]> {
  const directory = `/proc/${pid}/fd`;
  const numbers = await readdir(directory).catch(() => []);
  return Promise.all(numbers.map((number) => readlink(join(directory, number)).catch(() => "")));
}

/** `runtime --root ROOT/NAMESPACE … checkpoint --image-path DIRECTORY … CONTAINER`. */
async function imagesOf(pid: string, { namespace, id }: DaemonDumps["container"]): Promise<string[]> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const words = line.split("\0").filter((word) => word !== "");
  const after = (option: string): string => words[words.indexOf(option) + 1] ?? "";
  if (!words.includes("checkpoint") || words.at(-1) !== id || basename(after("--root")) !== namespace) return [];
  return words.includes("--image-path") ? [after("--image-path")] : [];
}

/** What criu wrote of the cgroups of the task it dumped there; `undefined` before it has, and where it is not criu's. */
async function cgroupsIn(directory: string): Promise<Buffer | undefined> {
  const file = join(directory, "cgroup.img");
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size > MOST_CGROUPS_BYTES) return undefined;
  if (found.ctimeMs - found.mtimeMs > SAME_MS) return undefined;
  return readFile(file).catch(() => undefined);
}

/** Whether criu has come to the end of the file: one message, with its size after the two magic numbers. */
function isWhole(image: Buffer): boolean {
  return image.length >= HEADER_BYTES && image.length >= HEADER_BYTES + image.readUInt32LE(HEADER_BYTES - 4);
}

function names(image: Buffer, cgroup: string): boolean {
  for (let at = image.indexOf(cgroup); at >= 0; at = image.indexOf(cgroup, at + 1)) {
    const next = image[at + cgroup.length] ?? 0;
    if (!/[\w.-]/.test(String.fromCharCode(next))) return true;
  }
  return false;
}
