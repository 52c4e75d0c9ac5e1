import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { CallOptions } from "../../src/call-options.js";
import { type Container, connect } from "../../src/index.js";
import { untyped } from "./case.js";
import type { Scene } from "./scene.js";

/** How one checkpoint is made, other than of the scene's container over the scene's connection. */
interface Manner extends Pick<CallOptions, "signal" | "timeoutMs"> {
  /** The socket of a relay. */
  readonly address?: string;
  readonly container?: Container;
}

/** Who makes checkpoints: the library, or the daemon's own `ctr`, so that the same can be done to both. */
export interface Checkpointer {
  readonly name: "ours" | "ctr";
  /** Makes one. Resolves to what it failed with; undefined when it did not. */
  readonly make: (scene: Scene, ref: string, manner?: Manner) => Promise<unknown>;
  /** What is wrong with how it failed, as such. */
  readonly wrong: (failure: unknown) => string[];
  /** What its user can do about what it left. */
  readonly tidy: (scene: Scene) => Promise<unknown>;
}

export const library: Checkpointer = {
  name: "ours",
  make: async (scene, ref, { address, container = scene.container, ...call } = {}) => {
    try {
      if (address === undefined) {
        await container.checkpoint(ref, [], call);
      } else {
        await using client = await connect({ address, namespace: scene.client.namespace });
        await (await client.containers.get(container.id)).checkpoint(ref, [], call);
      }
      return undefined;
    } catch (reason) {
      return reason;
    }
  },
  wrong: untyped,
  tidy: async ({ client }) => {
    await client.recover();
    await client.sweep();
  },
};

/** It has words for its failures, and nothing to tidy with. */
export const ctr: Checkpointer = {
  name: "ctr",
  make: async (scene, ref, { address = scene.daemon.address, container = scene.container, signal, timeoutMs } = {}) => {
    const { daemon, client } = scene;
    const patience = timeoutMs === undefined ? [] : ["--timeout", `${timeoutMs}ms`];
    const words = ["containers", "checkpoint", "--image", "--rw", "--task", container.id, ref];
    const args = ["--address", address, ...patience, "--namespace", client.namespace, ...words];
    const running = promisify(execFile)(daemon.binaries.ctr, args);
    // What a user presses to make it stop.
    const interrupt = () => running.child.kill("SIGINT");
    signal?.addEventListener("abort", interrupt);
    try {
      await running;
      return undefined;
    } catch (reason) {
      return reason;
    } finally {
      signal?.removeEventListener("abort", interrupt);
    }
  },
  wrong: () => [],
  tidy: async () => {},
};
