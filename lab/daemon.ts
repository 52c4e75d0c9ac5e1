import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Box, openBox } from "./box.js";
import type { CommandOptions, CommandResult } from "./command.js";
import { type ConfigOptions, daemonConfig } from "./config.js";
import type { Progress } from "./debian.js";
import { preparedRelease, prepareReleases, type Release, type ReleaseName } from "./releases.js";

/** How a daemon is started. */
export interface DaemonOptions extends ConfigOptions {
  /** Told what is done when it takes long. */
  readonly progress?: Progress;
  /** More of the daemon's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const START_TIMEOUT_MS = 30_000;

/** A real containerd with criu, of its own in everything: files, mounts, cgroups. It ends with this process at the latest. */
export class Daemon {
  readonly release: ReleaseName;
  /** The programs it is made of. */
  readonly binaries: Release;
  /** The path of its socket. */
  readonly address: string;
  /** The folder with all its files. */
  readonly directory: string;
  /** Where it keeps content, snapshots and metadata. */
  readonly root: string;
  /** Where it keeps what ends with the machine: bundles of running containers. */
  readonly state: string;
  /** The file it logs to. */
  readonly log: string;
  /** The name of its cgroup in every hierarchy. */
  readonly cgroup: string;
  readonly #box: Box;
  readonly #env: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;
  #stopped: Promise<void> | undefined;

  constructor(box: Box, binaries: Release, env: Readonly<Record<string, string>>) {
    const { directory } = box;
    this.release = binaries.name;
    this.binaries = binaries;
    this.directory = directory;
    this.address = join(directory, "c.sock");
    this.root = join(directory, "root");
    this.state = join(directory, "state");
    this.log = join(directory, "log");
    this.cgroup = box.cgroup;
    this.#box = box;
    this.#env = { PATH: `${directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: directory, ...env };
  }

  /** The daemon's process id; the last one when it is not running. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Runs the daemon's own `ctr` on it. Rejects when that fails, unless `allowFailure` is set. */
  async ctr(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.inBox(join(this.directory, "bin", "ctr"), ["--address", this.address, ...args], options);
  }

  /** Runs a command that sees the daemon's mounts, cgroups and programs. */
  async inBox(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.#box.run(command, args, { env: this.#env, ...options });
  }

  /** Starts the daemon on the files that are there, and waits until it answers. */
  async start(): Promise<void> {
    // A socket nobody listens on would make clients wait before they try again.
    await Promise.all([this.address, `${this.address}.ttrpc`].map((path) => rm(path, { force: true })));
    const output = await open(this.log, "a");
    const args = ["--config", join(this.directory, "config.toml")];
    this.#process = this.#box.spawn(join(this.directory, "bin", "containerd"), args, this.#env, output.fd);
    this.#process.unref();
    await output.close();
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.#answers())) {
      if (!this.#isRunning() || Date.now() > deadline) {
        const lines = (await readFile(this.log, "utf8")).trim().split("\n").slice(-15);
        const how = this.#isRunning() ? "does not answer" : "ended at once";
        throw new Error(`containerd ${this.release} ${how}:\n${lines.join("\n")}`);
      }
      await sleep(10);
    }
  }

  /** Ends the daemon alone, and waits until it is gone. Its shims and containers run on. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const running = this.#process;
    if (running === undefined || !this.#isRunning()) return;
    const exited = once(running, "exit");
    running.ref();
    running.kill(signal);
    await exited;
  }

  /** Ends the daemon alone and starts it again on the same files. */
  async restart(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.kill(signal);
    await this.start();
  }

  /** Ends the daemon with all its shims and containers, and removes its files, mounts and cgroups. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#box.down();
    await this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async #answers(): Promise<boolean> {
    if (!existsSync(this.address)) return false;
    const socket = connect(this.address);
    const accepted = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (!accepted) return false;
    const { code } = await this.ctr(["--connect-timeout", "1s", "version"], { allowFailure: true });
    return code === 0;
  }
}

/** Starts a daemon of its own, after downloading it when it must be. */
export async function startDaemon(release: ReleaseName, options: DaemonOptions = {}): Promise<Daemon> {
  const binaries = preparedRelease(release) ?? (await prepareReleases([release], options.progress))[0];
  if (binaries === undefined) throw new Error(`There is no release ${release}`);
  const box = await openBox();
  try {
    const bin = join(box.directory, "bin");
    const criu = join(box.directory, ".criu");
    await Promise.all([bin, criu].map((path) => mkdir(path)));
    await Promise.all([
      symlink(binaries.containerd, join(bin, "containerd")),
      symlink(binaries.shim, join(bin, "containerd-shim-runc-v2")),
      symlink(binaries.ctr, join(bin, "ctr")),
      symlink(binaries.runc, join(bin, "runc")),
      symlink(binaries.criu, join(bin, "criu")),
      writeFile(join(box.directory, "release"), binaries.name),
      writeFile(join(box.directory, "config.toml"), daemonConfig(box.directory, options)),
      // Else criu wants the iptables programs, which a small machine does not have.
      writeFile(join(criu, "default.conf"), "network-lock nftables\n"),
    ]);
    const daemon = new Daemon(box, binaries, options.env ?? {});
    await daemon.start();
    return daemon;
  } catch (reason) {
    await box.down();
    throw reason;
  }
}
