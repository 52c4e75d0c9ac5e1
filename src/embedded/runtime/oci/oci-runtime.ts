import { execFile } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { FailedPreconditionError } from "../../../errors.js";
import type { Runtime, RuntimeTask, TaskRequest } from "../runtime.js";
import { Bundle } from "./bundle.js";
import { unmountBelow } from "./mounts.js";
import { OciTask } from "./oci-task.js";
import { RuntimeCommand } from "./runtime-command.js";

const PROBE_MS = 10_000;
// Where the program keeps what it knows of its containers, by namespace.
const ROOTS = "io.containerd.runtime.v2.roots";

/**
 * Which program runs containers.
 *
 * @inline
 */
export interface OciRuntimeOptions {
  /** Its path, or its name where it is found in `PATH`. Default: `runc`, else `crun`. */
  readonly program?: string | undefined;
  /** Environment of it and of criu, beside that of this process; `criu` is found in `PATH`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/**
 * Runs real containers, with an OCI runtime such as runc, and criu to save them: on Linux, as root, and with a containerd that
 * has a `root` directory. Containers end with this process.
 *
 * @example
 * ```ts
 * await using containerd = await createEmbedded({ root: "/var/lib/embedded", runtime: await ociRuntime() });
 * ```
 * @throws {FailedPreconditionError} when there is no such program, or it does not work
 */
export async function ociRuntime(options: OciRuntimeOptions = {}): Promise<Runtime> {
  const env = { ...process.env, ...options.env };
  const candidates = options.program === undefined ? ["runc", "crun"] : [options.program];
  const failures: string[] = [];
  for (const program of candidates) {
    try {
      await promisify(execFile)(program, ["--version"], { env, timeout: PROBE_MS });
      return new OciRuntime(program, env);
    } catch (reason) {
      failures.push(reason instanceof Error ? reason.message.trim() : String(reason));
    }
  }
  throw new FailedPreconditionError(`Cannot run containers: ${failures.join("; ")}`, {
    hint: "Install runc, or let the embedded containerd simulate tasks.",
  });
}

class OciRuntime implements Runtime {
  readonly name: string;
  readonly #program: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #tasks = new Set<OciTask>();

  constructor(program: string, env: NodeJS.ProcessEnv) {
    this.name = basename(program);
    this.#program = program;
    this.#env = env;
  }

  async recover(state: string): Promise<void> {
    const roots = join(state, ROOTS);
    for (const namespace of await readdir(roots).catch(() => [])) {
      const command = new RuntimeCommand(this.#program, ["--root", join(roots, namespace)], this.#env);
      for (const id of (await command.run("OCI runtime list failed", ["list", "--quiet"])).split("\n")) {
        if (id !== "") await command.run("OCI runtime delete failed", ["delete", "--force", id]);
      }
    }
    await unmountBelow(state);
  }

  async create(request: TaskRequest): Promise<RuntimeTask> {
    if (request.rootfs.length > 0 && request.tree?.directory === undefined) {
      throw new FailedPreconditionError(
        `Cannot run container ${request.id}: its files are in memory; ${this.name} needs an embedded containerd with a root`,
      );
    }
    const bundle = new Bundle(request);
    const root = request.options.root || join(request.state, ROOTS, request.namespace);
    await mkdir(root, { recursive: true, mode: 0o700 });
    const { systemdCgroup, binaryName } = request.options;
    const flags = ["--root", root, ...(systemdCgroup ? ["--systemd-cgroup"] : [])];
    const command = new RuntimeCommand(binaryName || this.#program, flags, this.#env);
    const task: OciTask = new OciTask(request, command, bundle, () => void this.#tasks.delete(task));
    this.#tasks.add(task);
    try {
      await bundle.make();
      await task.create();
      return task;
    } catch (reason) {
      try {
        await task.delete();
      } catch (failure) {
        throw new AggregateError([reason, failure], `Container ${request.id} could not be made, and not be removed`);
      }
      throw reason;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#tasks].map((task) => task.delete()));
  }
}
