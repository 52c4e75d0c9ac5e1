import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "../../lab/daemon.js";

/** All that an operation could leave behind, by kind, as `ctr` and the filesystem see it. */
export type Inventory = Readonly<Record<string, ReadonlySet<string>>>;

const listings: Readonly<Record<string, readonly string[]>> = {
  containers: ["containers", "ls", "-q"],
  images: ["images", "ls", "-q"],
  leases: ["leases", "ls", "-q"],
  ingests: ["content", "active"],
  snapshots: ["snapshots", "ls"],
  blobs: ["content", "ls", "-q"],
};

/** The temporary directory of an audited daemon, in its box: other daemons use the machine's own at the same time. */
export const TEMPORARY = "/run/temporary";

const SETTLE_MS = 5_000;
const POLL_MS = 100;

/** Looks at a daemon from outside: through `ctr`, the filesystem and /proc. The library under test has no part in it. */
export class Auditor {
  readonly #daemon: Daemon;
  readonly #namespace: string;

  constructor(daemon: Daemon, namespace: string) {
    this.#daemon = daemon;
    this.#namespace = namespace;
  }

  /** Runs `ctr` in the audited namespace. */
  async ctr(...args: readonly string[]): Promise<string> {
    return (await this.#daemon.ctr(["-n", this.#namespace, ...args])).stdout;
  }

  /** The state of a container's task, such as `RUNNING`; undefined when there is none. */
  async taskState(id: string): Promise<string | undefined> {
    const lines = (await this.ctr("tasks", "ls")).split("\n").map((line) => line.split(/\s+/));
    return lines.find(([name]) => name === id)?.[2];
  }

  /** Says what is there. */
  async inventory(): Promise<Inventory> {
    const listed = Object.entries(listings).map(async ([kind, args]) => {
      const lines = (await this.ctr(...args)).split("\n").map((line) => line.trim().split(/\s+/)[0] ?? "");
      return [kind, new Set(lines.filter((name) => name !== "" && name !== "REF" && name !== "KEY"))] as const;
    });
    const temporary = (await this.#daemon.inBox("ls", ["-A", TEMPORARY])).stdout.split("\n");
    const own = join(this.#daemon.root, "containerd-client");
    const directories = existsSync(own) ? readdirSync(own).flatMap((name) => readdirSync(join(own, name))) : [];
    return {
      ...Object.fromEntries(await Promise.all(listed)),
      "temporary directories": new Set(temporary.filter((name) => name.startsWith("ctrd-checkpoint"))),
      "directories of ours": new Set(directories),
      "criu processes": new Set(this.processes("criu").map(String)),
    };
  }

  /** What is there now and was not there before, a line each; waits a moment for the daemon's own collector. */
  async residue(before: Inventory): Promise<string[]> {
    const deadline = Date.now() + SETTLE_MS;
    for (;;) {
      const now = await this.inventory();
      const more = Object.entries(now).flatMap(([kind, names]) =>
        [...names].filter((name) => before[kind]?.has(name) !== true).map((name) => `${kind}: ${name}`),
      );
      if (more.length === 0 || Date.now() > deadline) return more;
      await sleep(POLL_MS);
    }
  }

  /** The blobs an image's index names that are not in the store; empty when it is whole, undefined without such an image. */
  async missingOf(image: string): Promise<string[] | undefined> {
    const line = (await this.ctr("images", "ls", `name==${image}`)).split("\n")[1];
    const target = line?.split(/\s+/)[2];
    if (target === undefined || target === "") return undefined;
    const blobs = new Set((await this.ctr("content", "ls", "-q")).split("\n"));
    if (!blobs.has(target)) return [target];
    const { manifests = [] } = JSON.parse(await this.ctr("content", "get", target)) as {
      manifests?: readonly { readonly digest: string }[];
    };
    return manifests.map(({ digest }) => digest).filter((digest) => !blobs.has(digest));
  }

  /** Resumes a task, if it is paused. */
  async thaw(id: string): Promise<void> {
    await this.#daemon.ctr(["-n", this.#namespace, "tasks", "resume", id], { allowFailure: true });
  }

  /** Removes a container with its task and snapshot, as far as they are there. */
  async discard(id: string): Promise<void> {
    for (const args of [
      ["tasks", "rm", "-f", id],
      ["containers", "rm", id],
      ["snapshots", "rm", id],
    ]) {
      await this.#daemon.ctr(["-n", this.#namespace, ...args], { allowFailure: true });
    }
  }

  /** Files outside the places that may hold it in which the secret stands. */
  async leaksOf(secret: string): Promise<string[]> {
    const { stdout } = await this.#daemon.inBox(
      "grep",
      ["-rlaF", "-D", "skip", secret, TEMPORARY, this.#daemon.state, "/run"],
      {
        allowFailure: true,
      },
    );
    return stdout.split("\n").filter((path) => path !== "" && !/\/rootfs\/|\/config\.json$/.test(path));
  }

  /** Ids of the daemon's processes whose program's name begins so. */
  processes(name: string): number[] {
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => read(`/proc/${pid}/comm`).startsWith(name.slice(0, 15)))
      .filter((pid) => read(`/proc/${pid}/cgroup`).includes(this.#daemon.cgroup))
      .map(Number);
  }
}

/** Processes end while they are looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && (reason.code === "ENOENT" || reason.code === "ESRCH")) return "";
    throw reason;
  }
}
