import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kill } from "node:process";
import { NotFoundError, UnknownError } from "../../../errors.js";
import { writeGoJson } from "../../../oci/go-json.js";
import type { SpecProcess } from "../../../oci/runtime-spec.js";
import type { ProcessIO } from "../process-io.js";
import type { ProcessExit, RuntimeProcess } from "../runtime.js";
import { Foreground } from "./foreground.js";
import type { RuntimeCommand } from "./runtime-command.js";

/** A process beside the first one of a container. */
export class OciExec implements RuntimeProcess {
  readonly exited: Promise<ProcessExit>;
  readonly #id: string;
  readonly #directory: string;
  readonly #process: SpecProcess;
  readonly #runs: Foreground;
  #pid = 0;

  constructor(command: RuntimeCommand, id: string, directory: string, process: SpecProcess, io: ProcessIO) {
    this.#id = id;
    this.#directory = directory;
    this.#process = process;
    this.#runs = new Foreground(command, io, join(directory, "log.json"));
    this.exited = this.#runs.exited;
  }

  async start(): Promise<number> {
    const [file, pidFile] = ["process.json", "pid"].map((name) => join(this.#directory, name)) as [string, string];
    await writeFile(file, writeGoJson(this.#process), { mode: 0o600 });
    await this.#runs.openStreams();
    this.#runs.spawn(["exec", "--process", file, "--pid-file", pidFile, this.#id]);
    const pid = await this.#runs.pidIn(pidFile);
    if (pid === undefined) {
      await this.#runs.refuseFailure("OCI runtime exec failed");
      throw new UnknownError("OCI runtime exec failed: it ended at once");
    }
    this.#pid = pid;
    return pid;
  }

  async kill(signal: number): Promise<void> {
    try {
      kill(this.#pid, signal);
    } catch (cause) {
      throw new NotFoundError("process already finished: not found", { cause });
    }
  }

  resize(width: number, height: number): Promise<void> {
    return this.#runs.resize(width, height);
  }

  async closeStdin(): Promise<void> {
    this.#runs.closeStdin();
  }

  async delete(): Promise<void> {
    this.#runs.giveUp(0);
    await this.exited;
    this.#runs.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
