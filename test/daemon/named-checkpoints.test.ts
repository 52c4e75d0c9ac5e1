import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import { Images } from "../../src/api/services/images/v1/images_pb.js";
import { descriptorInit } from "../../src/client/wire.js";
import { Client, isNotFound, unixTransport } from "../../src/index.js";
import { digestOf } from "../../src/oci/digest.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { all } from "../suites/content-bed.js";
import { homes, namedSuite } from "../suites/named-suite.js";
import { taskPrograms } from "../suites/task-bed.js";
import { clientFor } from "./client.js";
import { discard, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

const PROGRAMS = "docker.io/library/programs:1";

describeOnEachDaemon("named checkpoints", (daemon) => {
  it("expire: containerd collects their images from 2.0 on, and prune removes them everywhere", async () => {
    await using client = await clientFor(daemon(), "named-expiry");
    const { container } = await start(client, "expiring");
    try {
      await container.checkpoints.create("past", { expiresAt: new Date(Date.now() - 1000) });
      await container.checkpoints.create("to-come", { expiresAt: new Date(Date.now() + 3_600_000) });
      await client.sweep();
      const names = async () => (await all(container.checkpoints.list())).map(({ name }) => name).sort();
      assert.deepEqual(await names(), daemon().release === "v21" ? ["to-come"] : ["past", "to-come"]);
      const { gone } = await container.checkpoints.prune();
      assert.ok(gone.every(({ checkpoint, why }) => checkpoint.name === "past" && /expired/.test(why)));
      assert.deepEqual(await names(), ["to-come"]);
    } finally {
      await discard(container);
    }
  });

  it("are removed by their target where the daemon looks at it, from 2.0 on; before that it must be compared first", async () => {
    await using client = await clientFor(daemon(), "named-targets");
    const image = await busyboxImage(client, PROGRAMS);
    const transport = unixTransport(daemon().address);
    try {
      const target = { ...descriptorInit(image.target), digest: digestOf(Buffer.from("another")) };
      const call = new Rpc(transport, client.namespace).unary(Images.method.delete, { name: PROGRAMS, target });
      if (daemon().release === "v21") await assert.rejects(call, isNotFound);
      else await call;
      const there = (await all(client.images.list())).some(({ name }) => name === PROGRAMS);
      assert.equal(there, daemon().release === "v21");
    } finally {
      transport.close?.();
    }
  });

  it("lie on another disk as well, and are thawed from there", async () => {
    await using client = await clientFor(daemon(), "named-elsewhere");
    const checkpointDir = await mkdtemp("/dev/shm/named-");
    const { container, task } = await start(client, "elsewhere");
    try {
      const { cost } = await container.checkpoints.create("far", { checkpointDir, exit: true });
      assert.equal(cost.way, "directory");
      await task.delete();
      const thawed = await container.newTask({ checkpoint: "far", checkpointDir });
      await thawed.start();
      assert.equal((await thawed.status()).status, "running");
    } finally {
      await discard(container);
      await rm(checkpointDir, { recursive: true });
    }
  });

  for (const home of homes) {
    namedSuite("of the suite", home, async () => {
      const transport = unixTransport(daemon().address);
      const client = new Client({ transport, namespace: `named-${home}` });
      await busyboxImage(client, PROGRAMS, { secondLayer: taskPrograms });
      const directory = await mkdtemp(join(tmpdir(), "named-"));
      const end = async () => {
        await client.close();
        await rm(directory, { recursive: true });
      };
      return { client, transport, image: PROGRAMS, directory, end };
    });
  }
});
