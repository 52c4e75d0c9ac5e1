import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { CheckpointWay } from "../../src/checkpoint/index.js";
import {
  type Client,
  type Container,
  ContainerdError,
  connect,
  isContainerdError,
  isDeadlineExceeded,
  isNotFound,
  withCheckpointTask,
  withCheckpointTaskExit,
  withCheckpointWay,
} from "../../src/index.js";
import { assertNothingLeft, taskState } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

/** What may cut a checkpoint short, whichever way it takes: everything is as before, and the same call works at once. */
export function describeCutShort(way: CheckpointWay): void {
  describeOnEachDaemon(`a checkpoint in the way of the ${way} that is cut short`, (daemon) => {
    let client: Client;
    let container: Container;
    let serial = 0;

    before(async () => {
      client = await clientFor(daemon(), "faults");
    });
    after(() => client.close());
    beforeEach(async () => {
      ({ container } = await start(client, `f${++serial}`));
      await countsBeyond(client, container, 2);
    });
    afterEach(async () => {
      await discard(container);
      for await (const image of client.images.list())
        if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
      await assertNothingLeft(daemon(), client);
    });

    /** Seen from outside: the task counts, the image is not there, nothing is left. And the same call works at once. */
    const asBefore = async () => {
      assert.equal(await taskState(daemon(), client, container.id), "RUNNING");
      await countsBeyond(client, container, await countOf(client, container));
      await assert.rejects(client.images.get("cp:1"), isNotFound);
      await assertNothingLeft(daemon(), client);
      const { leftBehind } = await container.checkpoint("cp:1", [withCheckpointWay(way)]);
      assert.deepEqual(leftBehind, []);
    };

    for (const phase of ["prepare", "pause", "capture", "resume", "write", "register"]) {
      it(`by the caller's signal in phase ${phase}: the caller's own reason, and everything as before`, async () => {
        const stop = new AbortController();
        const why = new Error("changed my mind");
        const attempt = container.checkpoint("cp:1", [withCheckpointWay(way)], {
          signal: stop.signal,
          onProgress: (progress) => {
            if (progress.phase === phase) stop.abort(why);
          },
        });
        await assert.rejects(attempt, (reason) => reason === why);
        await asBefore();
      });

      it(`by the caller's signal in phase ${phase} with an exit: the task lives`, async () => {
        if (phase === "resume") return;
        const stop = new AbortController();
        const attempt = container.checkpoint("cp:1", [withCheckpointTaskExit(), withCheckpointWay(way)], {
          signal: stop.signal,
          onProgress: (progress) => {
            if (progress.phase === phase) stop.abort();
          },
        });
        await assert.rejects(attempt);
        await asBefore();
      });
    }

    it("by its deadline: typed, with the phase and the state of the task", async () => {
      let release: () => void = () => {};
      const stuck = new Promise<void>((resolve) => {
        release = resolve;
      });
      const attempt = container.checkpoint(
        "cp:1",
        [
          withCheckpointTask(),
          (plan) => plan.parts.push(() => stuck.then(() => Promise.reject(new Error("too late")))),
        ],
        { timeoutMs: 1_000 },
      );
      setTimeout(release, 2_000);
      await assert.rejects(attempt, (reason) => {
        assert.ok(isDeadlineExceeded(reason));
        assert.equal(reason.operation?.phase, "prepare");
        assert.equal(reason.operation?.taskStatus, "running");
        assert.deepEqual(reason.operation?.leftBehind, []);
        return true;
      });
      await asBefore();
    });

    for (const phase of ["prepare", "pause", "capture", "write"]) {
      it(`by a restart of the daemon in phase ${phase}: the task is resumed when it is back`, async () => {
        let restarted: Promise<void> | undefined;
        const attempt = container.checkpoint("cp:1", [withCheckpointWay(way)], {
          onProgress: (progress) => {
            if (progress.phase === phase) restarted ??= daemon().restart();
          },
        });
        const failure = await attempt.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        await restarted;
        if (failure === undefined) {
          await client.images.delete("cp:1", { sync: true });
        } else {
          assert.ok(failure instanceof ContainerdError);
          assert.equal(failure.operation?.taskStatus, "running", failure.message);
        }
        await asBefore();
      });
    }

    for (const phase of ["prepare", "pause", "capture", "write"]) {
      it(`by closing the client in phase ${phase}: it cleans up before the connection goes`, async () => {
        const other = await connect({ address: daemon().address, namespace: client.namespace });
        const own = await other.containers.get(container.id);
        let closed: Promise<void> | undefined;
        const attempt = own.checkpoint("cp:1", [withCheckpointWay(way)], {
          onProgress: (progress) => {
            if (progress.phase === phase) closed = other.close();
          },
        });
        await assert.rejects(attempt, (reason) => isContainerdError(reason, "canceled"));
        await closed;
        await asBefore();
      });
    }

    describe("when criu cannot dump", () => {
      it("says what criu said, with a hint, and the task runs on", async () => {
        const own = await start(client, `f${++serial}`, [
          "sh",
          "-c",
          "exec flock /data/lock sh -c 'echo 1 > /count; while :; do sleep 0.1; done'",
        ]);
        try {
          await countOf(client, own.container);
          const attempt = own.container.checkpoint("cp:2", [
            withCheckpointTask({ fileLocks: false }),
            withCheckpointWay(way),
          ]);
          await assert.rejects(attempt, (reason) => {
            assert.ok(reason instanceof ContainerdError);
            assert.equal(reason.code, "failed_precondition");
            assert.ok(
              reason.criuLog.some((line) => /file locks/i.test(line)),
              reason.criuLog.join("\n"),
            );
            assert.match(reason.hint ?? "", /fileLocks: true/);
            assert.equal(reason.operation?.phase, "capture");
            assert.equal(reason.operation?.taskStatus, "running");
            return true;
          });
          assert.equal(await taskState(daemon(), client, own.container.id), "RUNNING");
        } finally {
          await discard(own.container);
        }
      });
    });
  });
}
