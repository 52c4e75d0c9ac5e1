import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, it } from "node:test";
import {
  type Client,
  type Container,
  isAlreadyExists,
  isFailedPrecondition,
  isInvalidArgument,
  withCheckpointTaskExit,
} from "../../src/index.js";
import { assertNothingLeft, listed, seen, taskState } from "./audit.js";
import { startChild } from "./child.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import type { ChildWork } from "./operation-child.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("an operation with an id of the caller's", (daemon) => {
  let client: Client;
  let container: Container;
  let serial = 0;
  const copies: Container[] = [];

  before(async () => {
    client = await clientFor(daemon(), "repeat");
  });
  after(() => client.close());
  beforeEach(async () => {
    ({ container } = await start(client, `i${++serial}`));
    await countsBeyond(client, container, 2);
  });
  afterEach(async () => {
    for (const one of [container, ...copies.splice(0)]) await discard(one);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await assertNothingLeft(daemon(), client);
  });

  const work = (more: Partial<ChildWork>): ChildWork => {
    const { address } = daemon();
    return { address, namespace: client.namespace, id: container.id, ref: "cp:1", operationId: "freeze-1", ...more };
  };
  const images = async () => (await listed(daemon(), client, "images", "ls", "-q")).filter((name) => name !== IMAGE);

  it("is done once, however often it is asked for", async () => {
    const call = { operationId: "freeze-1" };
    const first = await container.checkpoint("cp:1", [], call);
    const pauses = await seen(client, "/tasks/paused", async () => {
      const again = await container.checkpoint("cp:1", [], call);
      assert.deepEqual(again.target, first.target);
      assert.deepEqual(again.task, first.task);
      assert.equal(again.cost.pausedMs, 0);
    });
    assert.deepEqual(pauses, []);
    await assert.rejects(container.checkpoint("cp:1"), isAlreadyExists);
    await assert.rejects(container.checkpoint("cp:2", [], call), (reason) => {
      assert.ok(isFailedPrecondition(reason));
      assert.match(reason.message, /"freeze-1" was another one: it made image "cp:1"/);
      return true;
    });
    await assert.rejects(container.checkpoint("cp:3", [], { operationId: "two words" }), isInvalidArgument);
  });

  for (const dieIn of ["prepare", "pause", "capture", "write", "register"]) {
    it(`is begun anew when its process died in phase ${dieIn}, and made once`, async () => {
      await startChild(work({ dieIn })).ended();
      const checkpoint = await container.checkpoint("cp:1", [], { operationId: "freeze-1" });
      assert.deepEqual(checkpoint.leftBehind, []);
      assert.deepEqual(await images(), ["cp:1"]);
      assert.equal((await client.images.get("cp:1")).target.digest, checkpoint.target.digest);
      assert.equal(await taskState(daemon(), client, container.id), "RUNNING");
      await countsBeyond(client, container, await countOf(client, container));
    });
  }

  it("ends the task at the instant of its checkpoint, though its process died before that", async () => {
    await startChild(work({ dieIn: "exit", exit: true })).ended();
    const first = await client.images.get("cp:1");
    const again = await container.checkpoint("cp:1", [withCheckpointTaskExit()], { operationId: "freeze-1" });
    assert.notEqual(again.target.digest, first.target.digest);
    assert.equal(await taskState(daemon(), client, container.id), "STOPPED");
    const third = await container.checkpoint("cp:1", [withCheckpointTaskExit()], { operationId: "freeze-1" });
    assert.deepEqual(third.target, again.target);
    assert.deepEqual(await images(), ["cp:1"]);
  });

  for (const dieIn of ["snapshot", "rw", "container"]) {
    it(`restores once, though its process died in phase ${dieIn}`, async () => {
      await container.checkpoint("cp:1");
      const id = `${container.id}-copy`;
      await startChild(work({ dieIn, restore: true, id, operationId: "thaw-1" })).ended();
      const copy = await client.restore(id, "cp:1", [], { operationId: "thaw-1" });
      copies.push(copy);
      assert.equal((await client.restore(id, "cp:1", [], { operationId: "thaw-1" })).id, id);
      await assert.rejects(client.restore(id, "cp:1"), isAlreadyExists);
      await assert.rejects(client.restore("other", "cp:1", [], { operationId: "thaw-1" }), isFailedPrecondition);
      const task = await copy.newTask({ checkpoint: "cp:1" });
      await task.start();
      await countsBeyond(client, copy, await countOf(client, copy));
    });
  }
});
