import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandResult } from "./command.js";
import type { Daemon } from "./daemon.js";
import { type Progress, programIn, type Suite, unpack } from "./debian.js";

// 28 and later restore on the host's network only.
const suite: Suite = { name: "trixie", folder: "docker", packages: ["docker.io"] };

const START_TIMEOUT_MS = 30_000;

/** What dockerd answered. */
export interface DockerAnswer {
  readonly status: number;
  /** What its JSON says; an empty object when there is none. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Its words, when it refused. */
  readonly message: string;
}

/** A real dockerd over one of the lab's containerds, with files of its own and no networks. It ends with the containerd. */
export class Docker {
  /** Where it keeps images and containers. */
  readonly root: string;
  readonly #socket: string;
  readonly #ended: Promise<CommandResult>;

  private constructor(root: string, socket: string, ended: Promise<CommandResult>) {
    this.root = root;
    this.#socket = socket;
    this.#ended = ended;
  }

  /** Downloads it where it is not there yet, and waits until it answers. */
  static async start(daemon: Daemon, progress?: Progress): Promise<Docker> {
    await unpack(suite, progress);
    const directory = join(daemon.directory, "docker");
    const root = join(directory, "root");
    const socket = join(daemon.directory, "d.sock");
    await mkdir(directory);
    await writeFile(join(directory, "daemon.json"), "{}");
    const args = [
      ...["--config-file", join(directory, "daemon.json"), "--experimental", "--containerd", daemon.address],
      ...["--data-root", root, "--exec-root", join(directory, "exec"), "--pidfile", join(directory, "pid")],
      ...["--host", `unix://${socket}`, "--group", "root", "--bridge", "none"],
      ...["--iptables=false", "--ip6tables=false", "--userland-proxy=false", "--ip-forward=false"],
    ];
    const docker = new Docker(root, socket, daemon.inBox(programIn(suite, "dockerd"), args, { allowFailure: true }));
    await docker.#answers();
    return docker;
  }

  /** Where it keeps the checkpoints of a container. */
  checkpoints(containerId: string): string {
    return join(this.root, "containers", containerId, "checkpoints");
  }

  /** Asks it something. */
  async ask(method: string, path: string, body?: object | Uint8Array): Promise<DockerAnswer> {
    const answered = await this.#request(method, path, body);
    const said = (await text(answered)).trim();
    const json: unknown = said === "" ? {} : JSON.parse(said.split("\n").at(-1) ?? "{}");
    // It says null for an empty list.
    const parsed = json === null || Array.isArray(json) ? { list: json ?? [] } : (json as Record<string, unknown>);
    const { message } = parsed;
    return { status: answered.statusCode ?? 0, body: parsed, message: typeof message === "string" ? message : "" };
  }

  /** What it sends that is no JSON, such as an image. */
  download(path: string): Promise<AsyncIterable<Uint8Array>> {
    return this.#request("GET", path);
  }

  /** As {@link ask}, but a refusal is an error. */
  async tell(method: string, path: string, body?: object | Uint8Array): Promise<DockerAnswer["body"]> {
    const { status, body: said, message } = await this.ask(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${message}`);
    return said;
  }

  async #request(method: string, path: string, body?: object | Uint8Array): Promise<IncomingMessage> {
    const type = body instanceof Uint8Array ? "application/x-tar" : "application/json";
    const headers = body === undefined ? {} : { "content-type": type };
    const asked = request({ socketPath: this.#socket, method, path, headers });
    asked.end(body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body));
    const [answered] = (await once(asked, "response")) as [IncomingMessage];
    return answered;
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const up = await this.ask("GET", "/version").then(
        () => true,
        () => false,
      );
      if (up) return;
      if (Date.now() > deadline) throw new Error(`dockerd does not answer: ${await this.#lastWords()}`);
      await sleep(100);
    }
  }

  async #lastWords(): Promise<string> {
    const ended = await Promise.race([this.#ended, sleep(100)]);
    return ended === undefined ? "it runs" : ended.stderr.slice(-2000);
  }
}
