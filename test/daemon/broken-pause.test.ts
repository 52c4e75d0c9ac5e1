import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CheckpointOption,
  type Client,
  type Container,
  connect,
  isContainerdError,
  isDeadlineExceeded,
  isNotFound,
  withCheckpointTaskExit,
} from "../../src/index.js";
import { assertNothingLeft, taskState } from "./audit.js";
import { before as beforeCall } from "./before-call.js";
import { guardianGone, startChild } from "./child.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import type { ChildWork } from "./operation-child.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("a pause that is not one operation's alone", (daemon) => {
  let client: Client;
  let container: Container;
  let serial = 0;

  before(async () => {
    client = await clientFor(daemon(), "broken-pause");
  });
  after(() => client.close());
  beforeEach(async () => {
    ({ container } = await start(client, `b${++serial}`));
    await countsBeyond(client, container, 2);
  });
  afterEach(async () => {
    if ((await state()) === "PAUSED") await ctr("resume");
    await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await client.sweep();
    await assertNothingLeft(daemon(), client);
  });

  const state = async () => (await taskState(daemon(), client, container.id)) ?? "";
  const ctr = (verb: "pause" | "resume") => daemon().ctr(["-n", client.namespace, "task", verb, container.id]);
  const dying = (more: Partial<ChildWork>) => {
    const { address } = daemon();
    return startChild({ address, namespace: client.namespace, id: container.id, ref: "cp:dead", ...more });
  };
  /** Checkpoints over a connection of its own; `act` comes when the task is paused and not dumped yet. */
  const checkpoint = async (act: () => unknown, options: CheckpointOption[] = [], maxPausedMs?: number) => {
    const transport = beforeCall(daemon().address, "Checkpoint", act);
    await using own = await connect({ transport, namespace: client.namespace });
    return await own.checkpoint(container.id, "cp:1", options, { maxPausedMs });
  };

  it("is left alone by the guardian of a dead process whose job is begun anew at once", async () => {
    const child = dying({ dieBefore: "Pause" });
    await child.ended();
    const seen: string[] = [];
    const { guarded, leftBehind } = await checkpoint(async () => {
      for (let looks = 0; looks < 15; looks++) {
        seen.push(await state());
        await sleep(100);
      }
    });
    assert.deepEqual(new Set(seen), new Set(["PAUSED"]));
    assert.deepEqual([guarded, leftBehind], [true, []]);
    await guardianGone(child);
    assert.equal(await state(), "RUNNING");
  });

  it("is left alone by the guardian of a checkpoint that took too long and has failed", async () => {
    await assert.rejects(
      checkpoint(() => sleep(150), [], 100),
      isDeadlineExceeded,
    );
    await ctr("pause");
    await sleep(3_000);
    assert.equal(await state(), "PAUSED");
  });

  it("is not taken for a dead process's that never came to pausing", async () => {
    const child = dying({ dieIn: "pause" });
    await child.ended();
    await guardianGone(child);
    await ctr("pause");
    const recovered = await client.recover();
    assert.deepEqual(
      recovered.map(({ pause }) => pause),
      ["nothing"],
    );
    assert.equal(await state(), "PAUSED");
  });

  for (const [way, options] of [
    ["as a rule", []],
    ["when the task is to end", [withCheckpointTaskExit()]],
  ] as const) {
    it(`fails the checkpoint when somebody else ends it, ${way}`, async () => {
      await assert.rejects(
        checkpoint(() => ctr("resume"), [...options]),
        (reason) => {
          assert.ok(isContainerdError(reason, "aborted"), String(reason));
          assert.match(reason.message, /somebody resumed it/);
          assert.equal(reason.operation?.taskStatus, "running");
          assert.deepEqual(reason.operation?.leftBehind, []);
          return true;
        },
      );
      await assert.rejects(client.images.get("cp:1"), isNotFound);
      await countsBeyond(client, container, await countOf(client, container));
    });
  }
});
