import assert from "node:assert/strict";
import { after, afterEach, before, it } from "node:test";
import {
  type Client,
  type Container,
  connect,
  isAlreadyExists,
  isCheckpointInProgress,
  isInvalidArgument,
} from "../../src/index.js";
import { assertNothingLeft, seen, taskState } from "./audit.js";
import { startChild } from "./child.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

const CROWD = 12;

describeOnEachDaemon("checkpoints at the same time", (daemon) => {
  let client: Client;
  let serial = 0;
  const containers: Container[] = [];

  before(async () => {
    client = await clientFor(daemon(), "concurrent");
  });
  after(() => client.close());
  afterEach(async () => {
    for (const container of containers.splice(0)) await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await assertNothingLeft(daemon(), client);
  });

  const started = async (): Promise<Container> => {
    const { container } = await start(client, `k${++serial}`, SILENT_COUNT);
    containers.push(container);
    await countsBeyond(client, container, 1);
    return container;
  };
  const runs = async (container: Container) => {
    assert.equal(await taskState(daemon(), client, container.id), "RUNNING");
    await countsBeyond(client, container, await countOf(client, container));
  };

  it("of one container: one is made, the others are refused before anything is frozen", async () => {
    const container = await started();
    const refs = Array.from({ length: CROWD }, (_, at) => `cp:${at}`);
    let results: PromiseSettledResult<unknown>[] = [];
    const pauses = await seen(client, "/tasks/paused", async () => {
      results = await Promise.allSettled(refs.map((ref) => container.checkpoint(ref)));
    });
    const refusals = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    for (const reason of refusals) assert.ok(isCheckpointInProgress(reason), String(reason));
    assert.equal(pauses.length, CROWD - refusals.length);
    assert.ok(pauses.length >= 1);
    await runs(container);
  });

  it("of one container: the one under way is in the way of another whatever the clock says", async (test) => {
    const container = await started();
    const now = Date.now.bind(Date);
    let other: Promise<unknown> | undefined;
    await container.checkpoint("cp:1", [], {
      onProgress: ({ phase, bytes }) => {
        if (phase !== "pause" || bytes !== undefined) return;
        test.mock.method(Date, "now", () => now() + 48 * 60 * 60 * 1000);
        other = assert.rejects(container.checkpoint("cp:2"), isCheckpointInProgress);
      },
    });
    test.mock.restoreAll();
    assert.ok(other);
    await other;
    await runs(container);
  });

  it("to one name: one wins, the others are refused before anything is frozen", async () => {
    const all: Container[] = [];
    for (let nth = 0; nth < CROWD; nth++) all.push(await started());
    let results: PromiseSettledResult<unknown>[] = [];
    const pauses = await seen(client, "/tasks/paused", async () => {
      results = await Promise.allSettled(all.map((container) => container.checkpoint("cp:1")));
    });
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      assert.ok(isCheckpointInProgress(result.reason) || isAlreadyExists(result.reason), String(result.reason));
    }
    assert.equal(pauses.length, 1);
    for (const container of all) await runs(container);
  });

  it("of many containers: all are made, no more at once than the caller allows", async () => {
    const { address } = daemon();
    await using bounded = await connect({ address, namespace: client.namespace, maxConcurrent: 3 });
    const all: Container[] = [];
    for (let nth = 0; nth < CROWD; nth++) all.push(await started());
    let atOnce = 0;
    let most = 0;
    await Promise.all(
      all.map(async ({ id }) => {
        const container = await bounded.containers.get(id);
        const { guarded } = await container.checkpoint(`cp:${id}`, [], {
          onProgress: ({ phase, bytes }) => {
            if (bytes !== undefined) return;
            if (phase === "prepare") most = Math.max(most, ++atOnce);
            if (phase === "done") atOnce--;
          },
        });
        assert.ok(guarded);
      }),
    );
    assert.equal(most, 3);
    for (const container of all) await runs(container);
  });

  it("wait for their turn no longer than their signal lets them", async () => {
    const { address } = daemon();
    await using bounded = await connect({ address, namespace: client.namespace, maxConcurrent: 1 });
    const [one, two] = [await bounded.containers.get((await started()).id), await started()];
    const stop = new AbortController();
    const why = new Error("changed my mind");
    let waiting: Promise<unknown> | undefined;
    await one.checkpoint("cp:1", [], {
      onProgress: ({ phase }) => {
        if (phase !== "pause") return;
        waiting = bounded.containers
          .get(two.id)
          .then((container) => container.checkpoint("cp:2", [], { signal: stop.signal }));
        waiting.catch(() => {});
        setTimeout(() => stop.abort(why), 20);
      },
    });
    assert.ok(waiting);
    await assert.rejects(waiting, (reason) => reason === why);
    await runs(two);
    await assert.rejects(connect({ address, maxConcurrent: 0 }), isInvalidArgument);
  });

  it("of one container from another process: refused with a word about who is at it", async () => {
    const container = await started();
    const { address } = daemon();
    const child = startChild({
      address,
      namespace: client.namespace,
      id: container.id,
      ref: "cp:1",
      dieIn: "capture",
      signal: "SIGSTOP",
    });
    await child.says("capture");
    try {
      await assert.rejects(container.checkpoint("cp:2"), (reason) => {
        assert.ok(isCheckpointInProgress(reason), String(reason));
        assert.equal(reason.code, "aborted");
        assert.match(reason.message, new RegExp(`by process ${child.pid} on `));
        return true;
      });
      const other = await started();
      await assert.rejects(other.checkpoint("cp:1"), isCheckpointInProgress);
      assert.equal(await taskState(daemon(), client, container.id), "PAUSED");
    } finally {
      child.process.kill("SIGCONT");
    }
    const said = await child.ended();
    assert.ok(said.includes("succeeded"), said.join(", "));
    await runs(container);
  });

  it("follow one another: the lock goes with the operation", async () => {
    const container = await started();
    for (let at = 0; at < 5; at++) await container.checkpoint(`cp:${at}`);
    await runs(container);
  });
});
