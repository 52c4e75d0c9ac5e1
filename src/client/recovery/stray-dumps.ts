import { lstat, readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../../call-options.js";
import { orUndefined } from "../../content/found.js";
import { FailedPreconditionError } from "../../errors.js";
import type { Services } from "../services.js";
import { knownServer, sharedRoot } from "../shared-root.js";

/** Whose memory was dumped, and since when it may lie about. */
export interface StraySubject {
  readonly containerId: string;
  readonly startedAt: Date;
}

/** What there may be where it cannot be looked at. */
export const STRAY_DUMP = "directory ctrd-checkpoint…, if one is there, in containerd's temporary directory";

/** A directory in the daemon's temporary directory. */
interface StrayDump {
  /** As the daemon calls it. */
  readonly path: string;
  /** How it is reached from here. */
  readonly here: string;
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
 * container in it. Resolves to what was removed; to nothing at all where it cannot be looked at from here.
 *
 * @throws {FailedPreconditionError} when criu does not come to an end there
 */
export async function removeStrayDumps(
  services: Services,
  { containerId, startedAt }: StraySubject,
  call: CallOptions,
): Promise<readonly string[] | undefined> {
  const temporary = await temporaryDirectory(services, call);
  if (temporary === undefined) return undefined;
  const candidates = await youngDumps(temporary, startedAt);
  if (candidates.length === 0) return [];
  await waitUntilWritten(candidates);
  const cgroup = await cgroupOf(services, containerId, call);
  const removed: string[] = [];
  for (const { path, here } of candidates) {
    if (!(await holdsDumpOf(here, cgroup))) continue;
    await rm(here, { recursive: true, force: true });
    removed.push(`directory ${path}`);
  }
  return removed;
}

/** Where the daemon makes its temporary directories, seen through its own mounts. */
async function temporaryDirectory(services: Services, call: CallOptions): Promise<StrayDump | undefined> {
  const shared = await sharedRoot(services, call);
  const server = shared?.samePids === true ? await knownServer(services, call) : undefined;
  if (server?.pid === undefined || server.pid === 0) return undefined;
  const environ = await readFile(`/proc/${server.pid}/environ`, "utf8").catch(() => undefined);
  if (environ === undefined) return undefined;
  const variable = (name: string) =>
    environ
      .split("\0")
      .find((entry) => entry.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const path = variable("XDG_RUNTIME_DIR") || variable("TMPDIR") || "/tmp";
  return { path, here: join(`/proc/${server.pid}/root`, path) };
}

/** The daemon's own directories that are not older. */
async function youngDumps({ path, here }: StrayDump, startedAt: Date): Promise<StrayDump[]> {
  const young: StrayDump[] = [];
  for (const name of await readdir(here).catch(() => [])) {
    if (!NAME.test(name)) continue;
    const one = { path: join(path, name), here: join(here, name) };
    const found = await lstat(one.here).catch(() => undefined);
    if (found === undefined || !found.isDirectory() || found.uid !== 0 || (found.mode & OTHERS) !== 0) continue;
    if (found.ctimeMs >= startedAt.getTime() - SAME_MS) young.push(one);
  }
  return young;
}

/** Waits until no process holds anything open in them. */
async function waitUntilWritten(dumps: readonly StrayDump[]): Promise<void> {
  const deadline = Date.now() + BUSY_MS;
  for (;;) {
    const open = await openFiles();
    const busy = dumps.find(({ path }) => open.some((file) => file === path || file.startsWith(`${path}/`)));
    if (busy === undefined) return;
    if (Date.now() > deadline) throw new FailedPreconditionError(`Cannot remove ${busy.path}: it is being written to`);
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

/** How the images of a container's dump name its cgroup. */
async function cgroupOf(services: Services, containerId: string, call: CallOptions): Promise<string> {
  const container = await orUndefined(services.containers.get(containerId, call));
  const path = (await container?.spec(call))?.linux?.cgroupsPath ?? "";
  const [slice, prefix, name] = path.split(":");
  if (slice !== undefined && prefix !== undefined && name !== undefined) return `/${prefix}-${name}.scope`;
  return path.startsWith("/") ? path : `/${services.namespace}/${containerId}`;
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
