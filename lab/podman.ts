import { existsSync, readFileSync } from "node:fs";
import { mkdir, open, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Box, openBox } from "./box.js";
import type { CommandOptions, CommandResult } from "./command.js";
import { type Progress, type Suite, suiteDirectory, unpack } from "./debian.js";
import { labScript } from "./repository.js";

// crun dumps with libcriu; criu itself runs tar, gzip and ip.
const suite: Suite = {
  name: "sid",
  folder: "podman",
  packages: [
    ..."podman crun runc conmon criu libcriu2 iproute2 tar gzip".split(" "),
    ..."bash coreutils mount util-linux patchelf".split(" "),
  ],
};

const START_TIMEOUT_MS = 10_000;

/** The OCI runtimes a Podman of the lab has. */
export type PodmanRuntime = "crun" | "runc";

/** Downloads Podman with all it needs where it is not there yet. What may be in the way of that is in the way of the lab, too. */
export async function preparePodman(progress?: Progress): Promise<void> {
  await unpack(suite, progress);
  const root = suiteDirectory(suite);
  const links = ["bin", "sbin", "lib", "lib64"].map((name) => [`usr/${name}`, name] as const);
  for (const [target, name] of [...links, ["bash", "usr/bin/sh"] as const]) {
    await rm(join(root, name), { force: true });
    await symlink(target, join(root, name));
  }
  for (const name of ["proc", "sys", "dev", "run", "tmp", "box", "old", "etc/criu"]) {
    await mkdir(join(root, name), { recursive: true });
  }
  // Else criu wants the iptables programs.
  await writeFile(join(root, "etc/criu/default.conf"), "network-lock nftables\n");
}

/** A real Podman, of its own in everything: files, mounts, cgroups. It ends with this process at the latest. */
export class Podman implements AsyncDisposable {
  /** The folder that its commands see as `/box`. */
  readonly directory: string;
  readonly #box: Box;

  private constructor(box: Box) {
    this.directory = box.directory;
    this.#box = box;
  }

  /** Makes one without images. */
  static async open(): Promise<Podman> {
    await preparePodman();
    const box = await openBox();
    try {
      const podman = new Podman(box);
      const log = await open(join(box.directory, "podman.log"), "a");
      box.spawn("bash", [labScript("podman.sh"), suiteDirectory(suite), box.directory], process.env, log.fd).unref();
      await log.close();
      for (const end = Date.now() + START_TIMEOUT_MS; !existsSync(podman.#holder); await sleep(20)) {
        if (Date.now() < end) continue;
        throw new Error(`Podman's root did not come up: ${readFileSync(join(box.directory, "podman.log"), "utf8")}`);
      }
      return podman;
    } catch (reason) {
      await box.down();
      throw reason;
    }
  }

  get #holder(): string {
    return join(this.directory, "podman-holder");
  }

  /** Runs a command of Podman's. Rejects when that fails, unless `allowFailure` is set. */
  run(runtime: PodmanRuntime, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const holder = readFileSync(this.#holder, "utf8").trim();
    const common = "--root /box/storage --runroot /run/storage --tmpdir /run/libpod --storage-driver overlay";
    const flags = `${common} --cgroup-manager cgroupfs --events-backend file --runtime ${runtime}`.split(" ");
    const command = ["--target", holder, "--mount", "--", "/usr/bin/podman", ...flags, ...args];
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/box", PODMAN_IGNORE_CGROUPSV1_WARNING: "1" };
    return this.#box.run("nsenter", command, { env, ...options });
  }

  /** Ends all it started and removes its files, mounts and cgroups. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#box.down();
  }
}
