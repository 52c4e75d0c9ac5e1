import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type CommandOptions, type CommandResult, runCommand } from "./command.js";
import { labDirectory, labScript } from "./repository.js";

/** A place of its own for one daemon and all it starts: cgroups, mounts and a folder, which go together. */
export interface Box {
  /** The folder, by a path short enough for sockets. */
  readonly directory: string;
  /** The name of its cgroup in every hierarchy. */
  readonly cgroup: string;
  /** Starts a command that may stay; its output goes to the descriptor. */
  spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv, output: number): ChildProcess;
  /** Runs a command to its end. */
  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Ends every process that is in it and removes it, once. */
  down(): Promise<void>;
}

// containerd appends ".ttrpc", and the kernel wants at most 107 bytes; containerd itself refuses more than 104.
const LONGEST_SOCKET = 98;

/** Tells whether containerd can have its socket in the directory. */
export function isShortEnough(directory: string): boolean {
  return Buffer.byteLength(join(directory, "c.sock")) <= LONGEST_SOCKET;
}

let opened = 0;

/** Makes a box, which ends with this process however that ends. Boxes a killed machine left are removed first. */
export async function openBox(): Promise<Box> {
  const runs = join(labDirectory(), "run");
  await mkdir(runs, { recursive: true });
  if (opened++ === 0) await removeStale(runs);
  const name = `${process.pid}-${startTimeOf(process.pid)}-${opened}`;
  const [entry, cgroup] = [join(runs, name), cgroupPrefix() + name];
  let directory = entry;
  if (!isShortEnough(entry)) {
    const short = `lab-${randomUUID().slice(0, 8)}`;
    directory = join(isShortEnough(join(tmpdir(), short)) ? tmpdir() : "/tmp", short);
    await symlink(directory, entry);
  }
  await mkdir(directory, { mode: 0o711 });
  const guard = startGuard(entry, cgroup);
  const down = async (): Promise<void> => guard();
  try {
    await runCommand("bash", [labScript("box.sh"), "up", directory, cgroup]);
  } catch (reason) {
    await down();
    throw reason;
  }
  const within = (command: string, args: readonly string[]): string[] => [
    labScript("box.sh"),
    "in",
    directory,
    cgroup,
    command,
    ...args,
  ];
  return {
    directory,
    cgroup,
    spawn: (command, args, env, output) =>
      spawn("bash", within(command, args), { env, detached: true, stdio: ["ignore", output, output] }),
    run: (command, args, options) => runCommand("bash", within(command, args), options),
    down,
  };
}

/** Starts the process that takes a box down when its input closes. Returns what closes it and waits. */
function startGuard(entry: string, cgroup: string): () => Promise<void> {
  const guard = spawn("bash", [labScript("box.sh"), "guard", entry, cgroup], {
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  const ended = Promise.all([text(guard.stderr), once(guard, "close")]);
  // The box does not keep this process running: when nothing else does, both end.
  const handles = [guard, guard.stdin as Socket, guard.stderr as Socket];
  for (const handle of handles) handle.unref();
  return async () => {
    for (const handle of handles) handle.ref();
    guard.stdin.end();
    const [said, [code]] = (await ended) as [string, [number | null]];
    if (code !== 0) throw new Error(`The box ${cgroup} could not be removed: ${said.trim()}`);
  };
}

/** Removes the boxes of processes that are no more, and whose guard is no more either. */
async function removeStale(runs: string): Promise<void> {
  const cgroups = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].filter((path) => existsSync(path));
  const names = new Set(readdirSync(runs));
  for (const name of cgroups.flatMap((path) => readdirSync(path))) {
    if (name.startsWith(cgroupPrefix())) names.add(name.slice(cgroupPrefix().length));
  }
  for (const name of names) {
    const [pid, startTime] = name.split("-");
    if (startTimeOf(Number(pid)) === startTime) continue;
    await runCommand("bash", [labScript("box.sh"), "down", join(runs, name), cgroupPrefix() + name]);
  }
}

/** Two clones of the repository on one machine do not meet. */
function cgroupPrefix(): string {
  return `containerd-lab-${createHash("sha256").update(labDirectory()).digest("hex").slice(0, 8)}-`;
}

/** When a process was started, in clock ticks since boot: with its id, this names it for good. Undefined when there is none. */
function startTimeOf(pid: number): string | undefined {
  const path = `/proc/${pid}/stat`;
  // The second field is the command's name in parentheses, which may hold anything.
  return existsSync(path) ? readFileSync(path, "utf8").split(") ").at(-1)?.split(" ")[19] : undefined;
}
