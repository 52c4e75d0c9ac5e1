import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { FailedPreconditionError } from "../../../errors.js";
import { encodeSpec, type Spec } from "../../../oci/runtime-spec.js";
import type { TaskRequest } from "../runtime.js";
import { unmountBelow } from "./mounts.js";

const run = promisify(execFile);
const OWNER_ONLY = 0o700;
// Those of other users in the container have to pass.
const PASSABLE = 0o711;

/** The directory an OCI runtime makes a container of: its spec, and its root filesystem mounted. */
export class Bundle {
  readonly directory: string;
  readonly #mounts: TaskRequest["rootfs"];
  #made = false;

  constructor({ bundle, rootfs }: Pick<TaskRequest, "bundle" | "rootfs">) {
    this.directory = bundle;
    this.#mounts = rootfs;
  }

  /** @throws {FailedPreconditionError} when the root filesystem cannot be mounted */
  async make(): Promise<void> {
    await mkdir(join(this.directory, ".."), { recursive: true, mode: PASSABLE });
    await mkdir(this.directory, { mode: PASSABLE });
    this.#made = true;
    await mkdir(join(this.directory, "rootfs"), { mode: PASSABLE });
    for (const mount of this.#mounts) {
      const options = mount.options.length === 0 ? [] : ["-o", mount.options.join(",")];
      const type = mount.type === "bind" ? [] : ["-t", mount.type];
      try {
        await run("mount", [...type, ...options, mount.source, join(this.directory, "rootfs", mount.target)]);
      } catch (cause) {
        throw new FailedPreconditionError(`Cannot mount the root filesystem: ${messageOf(cause)}`, {
          cause,
          hint: "Only root can mount, and only snapshots of an embedded containerd with a `root` directory.",
        });
      }
    }
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Makes a directory only we may look into. */
  async directoryFor(name: string): Promise<string> {
    const path = this.path(name);
    await mkdir(path, { recursive: true, mode: OWNER_ONLY });
    return path;
  }

  async writeSpec(spec: Spec): Promise<void> {
    await writeFile(this.path("config.json"), encodeSpec(spec), { mode: 0o600 });
  }

  /** Takes the root filesystem away before anything is removed: removing goes through mounts. */
  async remove(): Promise<void> {
    if (!this.#made) return;
    await unmountBelow(this.directory);
    await rm(this.directory, { recursive: true, force: true });
  }
}

function messageOf(reason: unknown): string {
  const { stderr, message } = reason as { readonly stderr?: string; readonly message: string };
  return (stderr || message).trim();
}
