import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, afterEach, before, it } from "node:test";
import { type Client, type Container, isContainerdError, withCheckpointWay } from "../../src/index.js";
import { assertNothingLeft, seen, taskState } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SmallDisk } from "./small-disk.js";

/** Enough for what directories take, and not for a dump. */
const FEW_BYTES = 1024 * 1024;
/** Where the daemon dumps when the directory is its own choice; in its box. */
const TEMPORARY = "/run/temporary";

describeOnEachDaemon(
  "a checkpoint without space",
  (daemon) => {
    let client: Client;
    let container: Container;
    const disk = new SmallDisk();

    before(async () => {
      await daemon().inBox("mkdir", [TEMPORARY]);
      client = await clientFor(daemon(), "space");
      ({ container } = await start(client, "full"));
      await countsBeyond(client, container, 2);
    });
    after(() => client.close());
    afterEach(async () => {
      try {
        assert.equal(await taskState(daemon(), client, container.id), "RUNNING");
        await countsBeyond(client, container, await countOf(client, container));
        await assertNothingLeft(daemon(), client);
      } finally {
        await disk.unmount();
      }
      await container.checkpoint("cp:1");
      await client.images.delete("cp:1", { sync: true });
    });

    const home = () => join(daemon().root, "containerd-client", client.namespace);

    it("for the directory is refused before the freeze", async () => {
      await disk.mount(daemon(), dirname(home()), 16);
      const paused = await seen(client, "/tasks/paused", () =>
        assert.rejects(container.checkpoint("cp:1"), (reason) => {
          assert.ok(isContainerdError(reason, "resource_exhausted"), String(reason));
          assert.match(reason.message, /containerd-client\/space\/\S+ needs \d+ bytes and has \d+ free/);
          assert.equal(reason.operation?.phase, "prepare");
          assert.equal(reason.operation?.taskStatus, "running");
          return true;
        }),
      );
      assert.deepEqual(paused, []);
    });

    it("for the directory when criu dumps fails typed, with path and need, and the task runs on", async () => {
      await disk.mount(daemon(), dirname(home()), 128);
      const attempt = container.checkpoint("cp:1", [], {
        onProgress: ({ phase }) => {
          if (phase === "pause") disk.fill();
        },
      });
      await assert.rejects(attempt, (reason) => {
        assert.ok(isContainerdError(reason, "resource_exhausted"), String(reason));
        assert.match(reason.message, /containerd-client\/space\/\S+ needs \d+ bytes and has \d+ free/);
        assert.equal(reason.operation?.phase, "capture");
        assert.equal(reason.operation?.taskStatus, "running");
        assert.deepEqual(reason.operation?.leftBehind, []);
        return true;
      });
    });

    it("for the daemon's own dump fails typed, and the task runs on", async () => {
      // A tmpfs of one page is too small for any dump.
      await daemon().inBox("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", TEMPORARY]);
      try {
        await assert.rejects(container.checkpoint("cp:1", [withCheckpointWay("daemon")]), (reason) => {
          assert.ok(isContainerdError(reason, "resource_exhausted"), String(reason));
          assert.equal(reason.operation?.taskStatus, "running");
          return true;
        });
      } finally {
        await daemon().inBox("umount", [TEMPORARY]);
      }
    });

    it("is thawed all the same from a directory on the daemon's disk: its files are linked", async () => {
      await disk.mount(daemon(), dirname(home()), 128);
      const checkpointDir = join(dirname(home()), "named");
      const counted = await countOf(client, container);
      await container.checkpoints.create("linked", { checkpointDir, exit: true });
      await (await container.task()).delete();
      disk.fill(FEW_BYTES);
      const task = await container.newTask({ checkpoint: "linked", checkpointDir });
      await task.start();
      await countsBeyond(client, container, counted);
      await container.checkpoints.delete("linked", { checkpointDir });
      await rm(checkpointDir, { recursive: true });
    });

    it("for the store when the dump is packed fails typed, with path and need, and the task runs on", async () => {
      await disk.mount(daemon(), join(daemon().root, "io.containerd.content.v1.content"), 128);
      const attempt = container.checkpoint("cp:1", [], {
        onProgress: ({ phase }) => {
          if (phase === "write") disk.fill();
        },
      });
      await assert.rejects(attempt, (reason) => {
        assert.ok(isContainerdError(reason, "resource_exhausted"), String(reason));
        assert.match(reason.message, /io\.containerd\.content\.v1\.content\S* needs \d+ bytes and has \d+ free/);
        assert.equal(reason.operation?.taskStatus, "running");
        return true;
      });
    });
  },
  { env: { TMPDIR: TEMPORARY } },
);
