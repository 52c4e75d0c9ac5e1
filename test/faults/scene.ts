import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon, DaemonOptions } from "../../lab/daemon.js";
import type { Client, Container } from "../../src/index.js";
import { withEnv } from "../../src/oci/index.js";
import { clientFor } from "../daemon/client.js";
import { COUNT, countOf, discard, IMAGE } from "../daemon/counter.js";
import { Auditor, type Inventory, TEMPORARY } from "./auditor.js";

/** How a daemon is started that a scene is opened on. */
export const sceneDaemon: DaemonOptions = { env: { TMPDIR: TEMPORARY } };

/** A daemon with one counting container in a namespace of its own, an auditor, and what was there at the start. */
export class Scene implements AsyncDisposable {
  readonly daemon: Daemon;
  readonly client: Client;
  readonly auditor: Auditor;
  /** Stands in the counting task's memory. */
  readonly secret: string = `secret-${randomBytes(16).toString("hex")}`;
  container!: Container;
  #serial = 0;

  private constructor(daemon: Daemon, client: Client) {
    this.daemon = daemon;
    this.client = client;
    this.auditor = new Auditor(daemon, client.namespace);
  }

  static async open(daemon: Daemon, namespace: string): Promise<Scene> {
    await daemon.inBox("mkdir", ["-p", TEMPORARY]);
    const scene = new Scene(daemon, await clientFor(daemon, namespace));
    await scene.renew();
    return scene;
  }

  /** A ref, an id or a socket name that was not used before. */
  fresh(kind: string): string {
    return `${kind}${++this.#serial}`;
  }

  /** Puts a new counting container in the place of the old one. */
  async renew(): Promise<void> {
    if (this.container !== undefined) {
      // A frozen task would not die.
      await this.auditor.thaw(this.container.id);
      await discard(this.container);
    }
    this.container = await this.client.containers.create(this.fresh("counter"), {
      image: IMAGE,
      args: COUNT,
      spec: [withEnv({ SECRET: this.secret })],
    });
    const task = await this.container.newTask();
    await task.start();
    await countOf(this.client, this.container);
  }

  /** What is wrong with the container's task; undefined when `ctr` says it runs and its counter goes on. */
  async trouble(withinMs: number, container: Container = this.container): Promise<string | undefined> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const before = await countOf(this.client, container);
      const state = await this.auditor.taskState(container.id);
      await sleep(150);
      const after = await countOf(this.client, container);
      if (state === "RUNNING" && after > before) return undefined;
      if (Date.now() > deadline) return `task ${state ?? "absent"}, counter ${before} → ${after}`;
    }
  }

  /** What is left over beside `before` after a sweep, a line each. */
  async leftAfterSweep(before: Inventory): Promise<string[]> {
    await this.client.sweep();
    return this.auditor.residue(before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await discard(this.container);
    await this.client.close();
  }
}
