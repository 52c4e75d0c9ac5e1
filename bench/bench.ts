import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, connect } from "containerd-client";
import { type Daemon, startDaemon } from "../lab/daemon.js";
import type { Progress } from "../lab/debian.js";
import { labDirectory } from "../lab/repository.js";
import { CallCounter } from "./call-counter.js";
import { Figures } from "./figures.js";
import type { GoClient } from "./go-client.js";
import { type Measured, type MeasuredOptions, measured } from "./measured.js";
import type { Output } from "./program.js";

const NAMESPACE = "bench";

/** How thoroughly a bench measures, and with whom. */
export interface BenchSettings {
  readonly quick: boolean;
  readonly rounds: number | undefined;
  readonly go: GoClient | undefined;
  /** The `dist` folder of an earlier build. */
  readonly before: string | undefined;
  readonly progress: Progress;
}

/** What a program of ours or of Go's took, by its own clock and by ours. */
export interface Ran extends Measured {
  readonly output: Output;
}

/** A daemon to measure on, and who measures. */
export class Bench implements AsyncDisposable {
  readonly figures: Figures = new Figures();
  readonly daemon: Daemon;
  readonly client: Client;
  readonly quick: boolean;
  readonly progress: Progress;
  readonly hasGo: boolean;
  /** The `dist` folder of an earlier build, if one is to be compared with. */
  readonly before: string | undefined;
  /** For files of the rows; goes with the bench. */
  readonly directory: string;
  /** The daemon's own directory for temporary files. */
  readonly daemonTemporary: string;
  readonly #settings: BenchSettings;

  private constructor(daemon: Daemon, client: Client, directory: string, temporary: string, settings: BenchSettings) {
    this.daemon = daemon;
    this.client = client;
    this.directory = directory;
    this.daemonTemporary = temporary;
    this.quick = settings.quick;
    this.progress = settings.progress;
    this.hasGo = settings.go !== undefined;
    this.before = settings.before;
    this.#settings = settings;
  }

  /** Starts a daemon that collects garbage as daemons do, and not as eagerly as those of the tests. */
  static async start(settings: BenchSettings): Promise<Bench> {
    // Beside the daemon's files, where disks are the same for all.
    const directory = await mkdtemp(join(labDirectory(), "bench", "run-"));
    const temporary = await mkdtemp(join(directory, "daemon-"));
    const daemon = await startDaemon("v21", {
      collectsEagerly: false,
      env: { TMPDIR: temporary },
      progress: settings.progress,
    });
    const client = await connect({ address: daemon.address, namespace: NAMESPACE });
    return new Bench(daemon, client, directory, temporary, settings);
  }

  /** How often a row is measured that wants so many rounds. */
  rounds(wanted: number): number {
    return this.#settings.rounds ?? (this.quick ? 2 : wanted);
  }

  /** The size that is measured: the one asked for, or a small one. */
  mebibytes(full: number, quick: number): number {
    return this.quick ? quick : full;
  }

  /** Runs any program. */
  run(command: string, args: readonly string[], options: MeasuredOptions = {}): Promise<Measured> {
    return measured(command, args, options);
  }

  /** The path of one of our programs. */
  script(name: string): string {
    return fileURLToPath(new URL(`programs/${name}.js`, import.meta.url));
  }

  /** Runs one of our programs on the daemon, or at another address. */
  async ours(name: string, args: readonly string[], address: string = this.daemon.address): Promise<Ran> {
    return runForOutput(process.execPath, [this.script(name), address, NAMESPACE, ...args]);
  }

  /** Runs an operation of the Go half; there must be one. */
  async go(operation: string, args: readonly string[], address: string = this.daemon.address): Promise<Ran> {
    const { path } = this.#settings.go ?? {};
    if (path === undefined) throw new Error("the Go client was not asked for");
    return runForOutput(path, [operation, address, NAMESPACE, ...args]);
  }

  /** Runs the daemon's own `ctr`. */
  async ctr(args: readonly string[], options: MeasuredOptions = {}, address?: string): Promise<Measured> {
    const global = ["--address", address ?? this.daemon.address, "--namespace", NAMESPACE];
    return measured(this.daemon.binaries.ctr, [...global, ...args], options);
  }

  /** How many calls the act makes at the address it is given, and how many bytes it gets in answer. */
  async count(act: (address: string) => Promise<unknown>): Promise<{ calls: number; bytes: number }> {
    const path = join(this.daemon.directory, `r${randomUUID().slice(0, 4)}`);
    await using counter = await CallCounter.listen(path, this.daemon.address);
    await act(path);
    return { calls: counter.calls, bytes: counter.bytes };
  }

  /** Has the daemon collect, and waits for it: what is held no more is gone then. */
  async collect(): Promise<void> {
    const lease = await this.client.leases.create();
    await this.client.leases.delete(lease, { sync: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.daemon.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function runForOutput(command: string, args: readonly string[]): Promise<Ran> {
  const took = await measured(command, args);
  return { ...took, output: JSON.parse(took.stdout) as Output };
}
