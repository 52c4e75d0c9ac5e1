import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Daemon } from "../../lab/daemon.js";
import { Podman, type PodmanRuntime } from "../../lab/podman.js";
import type { ReleaseName } from "../../lab/releases.js";
import { type Client, connect } from "../../src/index.js";
import { discard } from "../daemon/counter.js";
import { describeOnEachDaemon, testedReleases } from "../daemon/releases.js";
import {
  answerOf,
  assertChanged,
  changeAndCount,
  ENGINES_IMAGE,
  ensureEnginesImage,
  loadImage,
  podmanCheckpoint,
  podmanRestore,
  type Run,
} from "./podman-bed.js";

const runtimes: readonly PodmanRuntime[] = ["crun", "runc"];

/** With all of them every pair runs on; it has been seen, and takes long. */
const runtimesWith: Readonly<Record<ReleaseName, readonly PodmanRuntime[]>> = {
  v16: ["crun"],
  v17: ["runc"],
  v21: runtimes,
};

let opened: Promise<Podman> | undefined;
const archives = new Map<PodmanRuntime, ReturnType<typeof podmanCheckpoint>>();

/** One Podman for all, with the image of whichever daemon comes first: they are the same. */
async function podmanWith(client: Client): Promise<Podman> {
  opened ??= Podman.open().then(async (podman) => {
    await loadImage(podman, client);
    return podman;
  });
  return opened;
}

/** A checkpoint of Podman's with that runtime, made once. */
async function archiveOf(client: Client, runtime: PodmanRuntime): ReturnType<typeof podmanCheckpoint> {
  const podman = await podmanWith(client);
  const made = archives.get(runtime) ?? podmanCheckpoint(podman, runtime, `from-${runtime}`);
  archives.set(runtime, made);
  return made;
}

function commandIn(daemon: Daemon, container: string): Run {
  let count = 0;
  return async (command) => {
    const args = ["--namespace", "engines", "task", "exec", "--exec-id", `x${++count}`, container, ...command];
    return (await daemon.ctr(args)).stdout;
  };
}

async function countIn(run: Run, least: number): Promise<number | undefined> {
  const count = Number(await run(["cat", "/data/count"]).catch(() => "0"));
  return count >= least ? count : undefined;
}

describe("Podman", () => {
  after(async () => {
    await (await opened)?.[Symbol.asyncDispose]();
  });

  describeOnEachDaemon("and containerd", (daemon) => {
    const within = async (work: (client: Client) => Promise<void>): Promise<void> => {
      const client = await connect({ address: daemon().address, namespace: "engines" });
      try {
        await ensureEnginesImage(client);
        await work(client);
      } finally {
        await client.close();
      }
    };

    for (const runtime of runtimes) {
      it(`a container of Podman's with ${runtime} runs on, with its files and without those it deleted`, () =>
        within(async (client) => {
          const { archive, count } = await archiveOf(client, runtime);
          const checkpoint = await client.importArchive(`podman:${runtime}`, archive);
          assert.ok(checkpoint.image.chainId, "the base image was found by its config");
          const container = await client.restore(runtime, checkpoint);
          try {
            const task = await container.newTask({ checkpoint });
            await task.start();
            const run = commandIn(daemon(), runtime);
            await answerOf(() => countIn(run, count + 1));
            await assertChanged("podman", run);
          } finally {
            await discard(container);
          }
        }));

      it(`what was imported of Podman's with ${runtime} goes back, and runs on there, too`, (test) =>
        within(async (client) => {
          if (daemon().release !== testedReleases().at(-1)) {
            return test.skip("the daemon only keeps it: it is shown with the newest");
          }
          const { archive, count } = await archiveOf(client, runtime);
          await client.importArchive("podman:back", archive, { overwrite: true });
          const podman = await podmanWith(client);
          await client.exportArchive("podman:back", { engine: "podman", to: join(podman.directory, "back.tar") });
          await podmanRestore(podman, runtime, { archive: "/box/back.tar", name: `from-${runtime}`, count }, (run) =>
            assertChanged("podman", run),
          );
        }));
    }

    it("a container of containerd's runs on in Podman, with runc and with crun", () =>
      within(async (client) => {
        const args = [...changeAndCount("containerd")];
        const container = await client.containers.create("there", { image: ENGINES_IMAGE, args });
        try {
          const task = await container.newTask();
          await task.start();
          const run = commandIn(daemon(), "there");
          const count = await answerOf(() => countIn(run, 10));
          await container.checkpoint("there:1");
          const podman = await podmanWith(client);
          for (const runtime of runtimesWith[daemon().release]) {
            const name = `there-${daemon().release}-${runtime}`;
            const to = join(podman.directory, `${name}.tar.gz`);
            await client.exportArchive("there:1", { engine: "podman", compression: "gzip", runtime, name, to });
            await podmanRestore(podman, runtime, { archive: `/box/${name}.tar.gz`, name, count }, (inPodman) =>
              assertChanged("containerd", inPodman),
            );
          }
        } finally {
          await discard(container);
        }
      }));
  });
});
