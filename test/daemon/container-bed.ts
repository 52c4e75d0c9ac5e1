import { after, afterEach, before } from "node:test";
import type { Daemon } from "../../lab/daemon.js";
import type { Client, Container, Task } from "../../src/index.js";
import { assertNothingLeft } from "./audit.js";
import { clientFor } from "./client.js";
import { countsBeyond, discard, IMAGE, start } from "./counter.js";

interface Started {
  readonly container: Container;
  readonly task: Task;
}

/** Containers for the cases of a suite, in a namespace of a daemon. After each they are gone, and nothing may be left of it but the image. */
export class ContainerBed {
  readonly #daemon: () => Daemon;
  #client: Client | undefined;
  #containers: Container[] = [];
  #serial = 0;

  constructor(daemon: () => Daemon, namespace: string) {
    this.#daemon = daemon;
    before(async () => {
      this.#client = await clientFor(daemon(), namespace);
    });
    after(() => this.client.close());
    afterEach(() => this.#tidy());
  }

  get client(): Client {
    if (this.#client === undefined) throw new Error("the suite has not begun");
    return this.#client;
  }

  /** An id nobody else has. */
  readonly next = (): string => `c${++this.#serial}`;

  /** Has a container go after the case. */
  readonly keep = (container: Container): Container => {
    this.#containers.push(container);
    return container;
  };

  /** A container that runs, and counts unless it is told to do something else. */
  readonly started = async (args?: readonly string[]): Promise<Started> => {
    const { container, task } = await start(this.client, this.next(), args);
    return { container: this.keep(container), task };
  };

  /** The same, when it has begun to count. */
  readonly counting = async (args?: readonly string[]): Promise<Started> => {
    const made = await this.started(args);
    await countsBeyond(this.client, made.container, 2);
    return made;
  };

  /** Ends and removes a container now. */
  readonly drop = async (container: Container): Promise<void> => {
    await discard(container);
    this.#containers = this.#containers.filter((one) => one !== container);
  };

  async #tidy(): Promise<void> {
    const { images } = this.client;
    for (const container of this.#containers.splice(0)) await discard(container);
    for await (const { name } of images.list()) if (name !== IMAGE) await images.delete(name, { sync: true });
    await assertNothingLeft(this.#daemon(), this.client);
  }
}
