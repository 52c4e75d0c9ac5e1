import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { CheckpointOptions } from "../../../api/types/runc/options/oci_pb.js";
import { NotFoundError, UnknownError } from "../../../errors.js";
import { writeGoJson } from "../../../oci/go-json.js";
import type { SpecProcess, SpecResources } from "../../../oci/runtime-spec.js";
import { cgroupMetrics } from "../cgroup-metrics.js";
import type { ProcessIO } from "../process-io.js";
import type { ProcessExit, RuntimeProcess, RuntimeTask, TaskRequest } from "../runtime.js";
import type { Bundle } from "./bundle.js";
import { checkpointArgs, restoreArgs } from "./criu-args.js";
import { forgetInput } from "./descriptors.js";
import { Foreground } from "./foreground.js";
import { Gate } from "./gate.js";
import { OciExec } from "./oci-exec.js";
import type { RuntimeCommand } from "./runtime-command.js";
import { usageOf } from "./usage.js";

const SIGKILL = 9;

/** A container of an OCI runtime. */
export class OciTask implements RuntimeTask {
  readonly exited: Promise<ProcessExit>;
  readonly #request: TaskRequest;
  readonly #command: RuntimeCommand;
  readonly #bundle: Bundle;
  readonly #runs: Foreground;
  readonly #gate: Gate;
  readonly #deleted: () => void;
  #pid = 0;
  #started = false;

  constructor(request: TaskRequest, command: RuntimeCommand, bundle: Bundle, deleted: () => void) {
    this.#request = request;
    this.#command = command;
    this.#bundle = bundle;
    this.#runs = new Foreground(command, request.io, bundle.path("log.json"));
    this.#gate = new Gate(bundle.path("state.json"), bundle.path("start"));
    this.#deleted = deleted;
    this.exited = this.#runs.exited;
  }

  get pid(): number {
    return this.#pid;
  }

  /** Makes the container, up to the point where it is to be started; one that is to be thawed comes to be when it is. */
  async create(): Promise<void> {
    const { id, spec, options, dump } = this.#request;
    await this.#runs.openStreams();
    if (dump !== undefined) return this.#bundle.writeSpec(spec);
    await this.#gate.make();
    await this.#bundle.writeSpec(this.#gate.holding(spec));
    const flags = [
      ...(options.noPivotRoot ? ["--no-pivot"] : []),
      ...(options.noNewKeyring ? ["--no-new-keyring"] : []),
    ];
    this.#runs.spawn(["run", "--bundle", this.#bundle.directory, ...flags, id]);
    const pid = await this.#runs.until(() => this.#gate.pid());
    if (pid === undefined) {
      const failed = "failed to create shim task: OCI runtime create failed";
      await this.#runs.refuseFailure(failed);
      throw new UnknownError(`${failed}: it ended at once`);
    }
    this.#pid = pid;
  }

  async start(): Promise<number> {
    if (this.#request.dump === undefined) {
      this.#gate.open();
      // A program that cannot be run ends the runtime before the container ever ran.
      await this.#runs.until(async () => ((await this.#isRunning()) ? true : undefined));
      await this.#runs.refuseFailure("OCI runtime start failed");
    } else {
      this.#pid = await this.#restore(this.#request.dump);
    }
    this.#started = true;
    return this.#pid;
  }

  async exec(execId: string, process: SpecProcess, io: ProcessIO): Promise<RuntimeProcess> {
    const directory = await this.#bundle.directoryFor(`exec-${execId}`);
    return new OciExec(this.#command, this.#request.id, directory, process, io);
  }

  async kill(signal: number, all: boolean): Promise<void> {
    if (!this.#started) {
      this.#runs.giveUp(128 + SIGKILL);
      this.#gate.close();
      return;
    }
    if (this.#runs.isOver) throw new NotFoundError("process already finished: not found");
    const flags = all ? ["--all"] : [];
    await this.#command.run("unknown error after kill", ["kill", ...flags, this.#request.id, String(signal)]);
  }

  resize(width: number, height: number): Promise<void> {
    return this.#runs.resize(width, height);
  }

  async closeStdin(): Promise<void> {
    this.#runs.closeStdin();
  }

  async pause(): Promise<void> {
    await this.#command.run("OCI runtime pause failed", ["pause", this.#request.id]);
  }

  async resume(): Promise<void> {
    await this.#command.run("OCI runtime resume failed", ["resume", this.#request.id]);
  }

  async checkpoint(directory: string, options: CheckpointOptions): Promise<void> {
    const work = options.workPath === "" ? await this.#bundle.directoryFor("criu-work") : options.workPath;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const args = checkpointArgs(this.#request.id, directory, work, options);
    try {
      await this.#command.run("OCI runtime checkpoint failed", args);
      if (this.#request.io.stdin === "") await forgetInput(directory);
    } catch (reason) {
      if (!(reason instanceof UnknownError)) throw reason;
      const log = this.#bundle.path("criu-dump.log");
      await copyFile(join(work, "dump.log"), log).catch(() => {});
      const [line = ""] = reason.message.split("\n");
      throw new UnknownError(`${line} path= ${log}`, { cause: reason });
    } finally {
      if (options.workPath === "") await rm(work, { recursive: true, force: true });
    }
  }

  async pids(): Promise<readonly number[]> {
    if (this.#pid === 0 || this.#runs.isOver) return [];
    if (!this.#started) return [this.#pid];
    const text = await this.#command.run("OCI runtime ps failed", ["ps", "--format", "json", this.#request.id]);
    return JSON.parse(text) as number[];
  }

  async update(resources: SpecResources): Promise<void> {
    const path = this.#bundle.path("resources.json");
    await writeFile(path, writeGoJson(resources), { mode: 0o600 });
    await this.#command.run("OCI runtime update failed", ["update", "--resources", path, this.#request.id]);
  }

  async metrics(): Promise<Any> {
    const args = ["events", "--stats", this.#request.id];
    return cgroupMetrics(usageOf(await this.#command.run("OCI runtime events failed", args)));
  }

  async delete(): Promise<void> {
    if (!this.#runs.isOver) await this.#end();
    await this.exited;
    this.#runs.close();
    // The runtime in the foreground has removed it, unless it was killed itself.
    await this.#command.run("OCI runtime delete failed", ["delete", "--force", this.#request.id]);
    await this.#bundle.remove();
    await rm(this.#request.work, { recursive: true, force: true });
    this.#deleted();
  }

  async #restore(dump: string): Promise<number> {
    const { id, work, options } = this.#request;
    const logs = options.criuWorkPath === "" ? work : options.criuWorkPath;
    await mkdir(logs, { recursive: true, mode: 0o700 });
    const pidFile = this.#bundle.path("init.pid");
    await rm(pidFile, { force: true });
    this.#runs.spawn(restoreArgs(id, this.#bundle.directory, dump, logs, pidFile, options));
    const pid = await this.#runs.pidIn(pidFile);
    if (pid !== undefined) return pid;
    await this.#runs.refuseFailure("OCI runtime restore failed");
    throw new UnknownError("OCI runtime restore failed: it ended at once");
  }

  async #end(): Promise<void> {
    this.#gate.close();
    if (!this.#started) return this.#runs.giveUp(128 + SIGKILL);
    // It may end by itself meanwhile; that it has ended is waited for.
    await this.kill(SIGKILL, true).catch(() => {});
  }

  async #isRunning(): Promise<boolean> {
    const state = await this.#command.run("OCI runtime state failed", ["state", this.#request.id]).catch(() => "{}");
    return (JSON.parse(state) as { status?: string }).status === "running";
  }
}
