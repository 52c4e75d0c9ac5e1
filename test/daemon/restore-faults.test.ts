import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, it } from "node:test";
import {
  type Client,
  type Container,
  ContainerdError,
  connect,
  isContainerdError,
  isDeadlineExceeded,
  isNotFound,
} from "../../src/index.js";
import { assertNothingLeft, listed } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("a restore that is cut short", (daemon) => {
  let client: Client;
  let original: Container;
  let serial = 0;
  let id = "";

  before(async () => {
    client = await clientFor(daemon(), "restore-faults");
    ({ container: original } = await start(client, "original"));
    await countsBeyond(client, original, 2);
    await original.checkpoint("cp:1");
  });
  after(() => client.close());
  beforeEach(() => {
    id = `copy${++serial}`;
  });
  afterEach(async () => {
    await assertNothingLeft(daemon(), client);
  });

  /** Seen from outside: neither container nor snapshot; and the same call works at once. */
  const asBefore = async () => {
    assert.ok(!(await listed(daemon(), client, "containers", "ls", "-q")).includes(id));
    assert.ok(!(await listed(daemon(), client, "snapshots", "ls")).some((line) => line.startsWith(`${id} `)));
    const copy = await client.restore(id, "cp:1");
    const task = await copy.newTask({ checkpoint: "cp:1" });
    await task.start();
    await countsBeyond(client, copy, await countOf(client, copy));
    await discard(copy);
  };

  for (const phase of ["snapshot", "rw", "container"]) {
    it(`by the caller's signal in phase ${phase}`, async () => {
      const stop = new AbortController();
      const why = new Error("changed my mind");
      const attempt = client.restore(id, "cp:1", [], {
        signal: stop.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) stop.abort(why);
        },
      });
      await assert.rejects(attempt, (reason) => reason === why);
      await asBefore();
    });

    it(`by a restart of the daemon in phase ${phase}`, async () => {
      let restarted: Promise<void> | undefined;
      const attempt = client.restore(id, "cp:1", [], {
        onProgress: (progress) => {
          if (progress.phase === phase) restarted ??= daemon().restart();
        },
      });
      const ended = await attempt.then(
        (copy) => discard(copy),
        (reason: unknown) => reason,
      );
      await restarted;
      if (ended !== undefined) assert.ok(ended instanceof ContainerdError);
      await asBefore();
    });

    it(`by closing the client in phase ${phase}`, async () => {
      const other = await connect({ address: daemon().address, namespace: client.namespace });
      let closed: Promise<void> | undefined;
      const attempt = other.restore(id, "cp:1", [], {
        onProgress: (progress) => {
          if (progress.phase === phase) closed = other.close();
        },
      });
      await assert.rejects(attempt, (reason) => isContainerdError(reason, "canceled"));
      await closed;
      await asBefore();
    });
  }

  it("by its deadline, which covers the preflight too", async () => {
    await assert.rejects(client.restore(id, "cp:1", [], { timeoutMs: 1 }), (reason) => {
      assert.ok(isDeadlineExceeded(reason));
      assert.equal(reason.operation?.kind, "restore");
      assert.deepEqual(reason.operation?.leftBehind, []);
      return true;
    });
    await asBefore();
  });

  it("by what is missing: the error names the phase", async () => {
    await assert.rejects(client.restore(id, "cp:none"), (reason) => {
      assert.ok(isNotFound(reason));
      assert.equal(reason.operation?.phase, "preflight");
      assert.equal(reason.operation?.taskStatus, "absent");
      return true;
    });
    assert.equal((await client.images.get(IMAGE)).name, IMAGE);
  });
});
