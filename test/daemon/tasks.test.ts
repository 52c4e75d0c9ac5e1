import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import type { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import { isContainerdError, isNotFound } from "../../src/errors.js";
import { connect } from "../../src/index.js";
import { freezeSuite } from "../suites/freeze-suite.js";
import { type TaskSubject, taskPrograms } from "../suites/task-bed.js";
import { taskSuite } from "../suites/task-suite.js";
import { clientFor } from "./client.js";
import { discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

const PROGRAMS = "docker.io/library/programs:1";

describeOnEachDaemon("tasks", (daemon) => {
  let client: Client;
  let directory = "";
  let suites = 0;
  let containers: Container[] = [];
  const started = async (id: string, args?: readonly string[]) => {
    const made = await start(client, id, args);
    containers.push(made.container);
    return made;
  };

  before(async () => {
    client = await clientFor(daemon(), "task-suite");
    directory = await mkdtemp(join(tmpdir(), "tasks-"));
  });
  afterEach(async () => {
    for (const container of containers) await discard(container);
    containers = [];
  });
  after(async () => {
    await client.close();
    await rm(directory, { recursive: true, force: true });
  });

  const subject = async (): Promise<TaskSubject> => {
    const own = await connect({ address: daemon().address, namespace: `suite-${++suites}` });
    await busyboxImage(own, PROGRAMS, { secondLayer: taskPrograms });
    return { client: own, image: PROGRAMS, directory, hasShims: true, end: () => own.close() };
  };
  taskSuite("of the suite", subject);
  freezeSuite("of the suite, frozen and thawed,", subject);

  describe("saved by criu", () => {
    it("into a directory, go on from there with the runtime options of their container", async () => {
      const { container, task } = await started("directory", SILENT_COUNT);
      const imagePath = join(directory, "images");
      assert.deepEqual(await task.checkpoint({ imagePath, exit: true }), []);
      assert.ok((await readdir(imagePath)).includes("inventory.img"));
      await task.wait();
      await task.delete();
      const thawed = await container.newTask({ runtimeOptions: { criuImagePath: imagePath } });
      assert.equal(thawed.pid, 0);
      await thawed.start();
      assert.ok(thawed.pid > 0);
      assert.equal((await thawed.status()).status, "running");
    });

    it("are removed when they cannot be thawed, and criu says why", async () => {
      const args = ["sh", "-c", "exec 3>/root/open; while :; do sleep 0.05; done"];
      const { container } = await started("thawless", args);
      const checkpoint = await container.checkpoint("thawless:1");
      const other = await client.containers.create("thawless-2", { image: IMAGE, args });
      containers.push(other);
      const task = await other.newTask({ checkpoint });
      await assert.rejects(task.start(), (error) => {
        assert.ok(isContainerdError(error, "failed_precondition"), String(error));
        assert.match(error.message, /root\/open|fd=3/);
        assert.ok(error.criuLog.some((line) => /Can't open file root\/open/.test(line)));
        return true;
      });
      await assert.rejects(other.task(), isNotFound);
      await client.images.delete("thawless:1", { sync: true });
    });
  });
});
