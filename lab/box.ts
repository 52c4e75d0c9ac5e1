import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandOptions, type CommandResult, runCommand } from "./command.js";
import { startGuard } from "./guard.js";
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
  /** Ends every process that is in it and removes it. */
  down(): Promise<void>;
}

// containerd listens on this with ".ttrpc" appended, too, and refuses more than 104 bytes.
const LONGEST_SOCKET = 98;

let opened = 0;

/** Makes a box, which ends with this process however that ends. Boxes that lost their guard are removed first. */
export async function openBox(): Promise<Box> {
  await mkdir(runs(), { recursive: true });
  if (opened++ === 0) await removeStale();
  const name = `${process.pid}-${startTimeOf(process.pid)}-${opened}`;
  const [entry, cgroup] = [join(runs(), name), cgroupPrefix() + name];
  const down = startGuard(entry, cgroup);
  try {
    const directory = await makeDirectory(entry);
    await runCommand("bash", [labScript("box.sh"), "up", directory, cgroup]);
    const within = (command: string, args: readonly string[]): string[] => inBox(directory, cgroup, command, args);
    return {
      directory,
      cgroup,
      spawn: (command, args, env, output) =>
        spawn("bash", within(command, args), { env, detached: true, stdio: ["ignore", output, output] }),
      run: (command, args, options) => runCommand("bash", within(command, args), options),
      down,
    };
  } catch (reason) {
    await down();
    throw reason;
  }
}

/** The folder of each box whose process is there, with what bash is to do to run a command in it. */
export function openBoxes(): { directory: string; within: (command: string, args: readonly string[]) => string[] }[] {
  return (existsSync(runs()) ? readdirSync(runs()) : []).filter(isOwned).map((name) => {
    const directory = realpathSync(join(runs(), name));
    return { directory, within: (command, args) => inBox(directory, cgroupPrefix() + name, command, args) };
  });
}

/** Tells whether containerd can have its socket in the directory. */
export function isShortEnough(directory: string): boolean {
  return Buffer.byteLength(join(directory, "c.sock")) <= LONGEST_SOCKET;
}

function inBox(directory: string, cgroup: string, command: string, args: readonly string[]): string[] {
  return [labScript("box.sh"), "in", directory, cgroup, command, ...args];
}

async function makeDirectory(entry: string): Promise<string> {
  let directory = entry;
  if (!isShortEnough(entry)) {
    const short = `lab-${randomUUID().slice(0, 8)}`;
    directory = join(isShortEnough(join(tmpdir(), short)) ? tmpdir() : "/tmp", short);
    await symlink(directory, entry);
  }
  await mkdir(directory, { mode: 0o711 });
  return directory;
}

async function removeStale(): Promise<void> {
  const names = new Set(readdirSync(runs()));
  for (const hierarchy of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].filter((path) => existsSync(path))) {
    for (const name of readdirSync(hierarchy)) {
      if (name.startsWith(cgroupPrefix())) names.add(name.slice(cgroupPrefix().length));
    }
  }
  for (const name of [...names].filter((one) => !isOwned(one))) {
    await runCommand("bash", [labScript("box.sh"), "down", join(runs(), name), cgroupPrefix() + name]);
  }
}

function runs(): string {
  return join(labDirectory(), "run");
}

/** Two clones of the repository on one machine do not meet. */
function cgroupPrefix(): string {
  return `containerd-lab-${createHash("sha256").update(labDirectory()).digest("hex").slice(0, 8)}-`;
}

/** Tells whether the process a box is named for is there. */
function isOwned(name: string): boolean {
  const [pid, startTime] = name.split("-");
  return startTimeOf(Number(pid)) === startTime;
}

/** When a process was started, in clock ticks since boot: with its id, this names it for good. Undefined when there is none. */
function startTimeOf(pid: number): string | undefined {
  const path = `/proc/${pid}/stat`;
  // The second field is the command's name in parentheses, which may hold anything.
  return existsSync(path) ? readFileSync(path, "utf8").split(") ").at(-1)?.split(" ")[19] : undefined;
}
