import assert from "node:assert/strict";
import { after, afterEach, before, it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import { Tasks } from "../../src/api/services/tasks/v1/tasks_pb.js";
import { Client } from "../../src/client/client.js";
import { connect } from "../../src/client/connect.js";
import { createEmbedded, type Embedded } from "../../src/embedded/embedded.js";
import { isFailedPrecondition, isNotFound } from "../../src/errors.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { unixTransport } from "../../src/rpc/transport.js";
import { taskPrograms } from "../suites/task-bed.js";
import { discard } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

const IMAGE = "docker.io/library/programs:1";

describeOnEachDaemon("dumps of criu and simulated ones", (daemon) => {
  let real: Client;
  let embedded: Embedded;
  let simulated: Client;

  before(async () => {
    embedded = await createEmbedded();
    simulated = new Client({ transport: embedded.transport, namespace: "default" });
    real = await connect({ address: daemon().address, namespace: "dump-kinds" });
    await busyboxImage(real, IMAGE, { secondLayer: taskPrograms });
    await simulated.images.copyFrom(real, IMAGE);
  });
  afterEach(async () => {
    for (const client of [real, simulated]) {
      for await (const container of client.containers.list()) await discard(container);
      for await (const { name } of client.images.list()) {
        if (name !== IMAGE) await client.images.delete(name, { sync: true });
      }
    }
  });
  after(async () => {
    await embedded.close();
    await real.close();
  });

  for (const [from, to, origin, target, message] of [
    ["simulated", "real", () => simulated, () => real, /the embedded containerd simulated it/],
    ["real", "simulated", () => real, () => simulated, /simulates tasks, and the dump is of a real one/],
  ] as const) {
    it(`are told apart before anything is made: a ${from} one on a ${to} daemon`, async () => {
      const container = await origin().containers.create("counter", { image: IMAGE, args: ["counter"] });
      const task = await container.newTask();
      await task.start();
      await container.checkpoint("cp:1");
      await target().images.copyFrom(origin(), "cp:1");
      await assert.rejects(target().restore("copy", "cp:1"), (error) => {
        assert.ok(isFailedPrecondition(error), String(error));
        assert.match(error.message, message);
        assert.ok(error.hint);
        assert.deepEqual(error.operation?.leftBehind, []);
        assert.equal(error.operation?.phase, "preflight");
        return true;
      });
      await assert.rejects(target().containers.get("copy"), isNotFound);
      await assert.rejects(target().snapshots().stat("copy"), isNotFound);
      const other = await target().containers.create("other", { image: IMAGE, args: ["counter"] });
      await assert.rejects(other.newTask({ checkpoint: "cp:1" }), isFailedPrecondition);
      await assert.rejects(other.task(), isNotFound);
    });
  }

  it("are refused by a real daemon, too, that nobody asked beforehand", async () => {
    const container = await simulated.containers.create("counter", { image: IMAGE, args: ["counter"] });
    const task = await container.newTask();
    await task.start();
    const checkpoint = await container.checkpoint("cp:1");
    assert.ok(checkpoint.task);
    await real.images.copyFrom(simulated, "cp:1");
    await real.containers.create("other", { image: IMAGE, args: ["counter"] });
    const transport = unixTransport(daemon().address);
    const rpc = new Rpc(transport, real.namespace);
    const rootfs = (await real.snapshots().mounts("other")).map((mount) => ({ ...mount, options: [...mount.options] }));
    const { mediaType, digest, size } = checkpoint.task;
    const dump = { mediaType, digest, size: BigInt(size) };
    await rpc.unary(Tasks.method.create, { containerId: "other", rootfs, checkpoint: dump });
    await assert.rejects(rpc.unary(Tasks.method.start, { containerId: "other" }), /OCI runtime restore failed/);
    await rpc.unary(Tasks.method.delete, { containerId: "other" });
    transport.close?.();
  });
});
