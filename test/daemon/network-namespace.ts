import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { busyboxPath } from "../../lab/busybox.js";
import type { Daemon } from "../../lab/daemon.js";

let made = 0;

/** A network namespace with nothing but a loopback that is up. It outlives the containers that join it. */
export class NetworkNamespace implements AsyncDisposable {
  /** The path of its file, as the daemon sees it. */
  readonly path: string;
  readonly #daemon: Daemon;

  private constructor(daemon: Daemon, path: string) {
    this.#daemon = daemon;
    this.path = path;
  }

  static async make(daemon: Daemon): Promise<NetworkNamespace> {
    const path = join(daemon.directory, `net-${++made}`);
    await writeFile(path, "");
    await daemon.inBox("unshare", [`--net=${path}`, await busyboxPath(), "ip", "link", "set", "lo", "up"]);
    return new NetworkNamespace(daemon, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.inBox("umount", [this.path]);
  }
}
