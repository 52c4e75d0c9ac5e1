import { after, afterEach, before, it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import { withCheckpointTaskExit } from "../../src/checkpoint/plan.js";
import type { Client } from "../../src/client/client.js";
import { connect } from "../../src/client/connect.js";
import { ociSubject } from "../embedded/task-beds.js";
import { Counts, TaskBed, taskPrograms } from "../suites/task-bed.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("a checkpoint of an embedded containerd with runc", (daemon) => {
  const embedded = new TaskBed(ociSubject);
  let client: Client;
  const real = new TaskBed(async () => {
    const { image } = embedded.subject;
    client = await connect({ address: daemon().address, namespace: "crossing-embedded" });
    await busyboxImage(client, image, { secondLayer: taskPrograms });
    return { client, image, directory: "", end: () => client.close() };
  });

  before(async () => {
    await embedded.begin();
    await real.begin();
  });
  afterEach(async () => {
    await real.tidy();
    await embedded.tidy();
  });
  after(async () => {
    await real.end();
    await embedded.end();
  });

  it("thaws on a real daemon, and there and back again", async () => {
    const { container, counts } = await embedded.counting();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const there = await thawed(embedded, real, "cp:1");
    await there.counts.beyond(counts.last);
    await there.container.checkpoint("cp:2", [withCheckpointTaskExit()]);
    const back = await thawed(real, embedded, "cp:2");
    await back.counts.beyond(there.counts.last);
  });
});

async function thawed(from: TaskBed, to: TaskBed, ref: string) {
  await to.client.images.copyFrom(from.client, ref);
  const container = to.keep(await to.client.restore(`${ref.replace(":", "-")}-thawed`, ref));
  const task = await container.newTask({ checkpoint: ref, io: to.pipes() });
  const counts = new Counts(task);
  await task.start();
  return { container, counts };
}
