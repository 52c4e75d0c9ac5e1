import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import {
  isAlreadyExists,
  isContainerdError,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
} from "../../src/errors.js";
import { clientFor } from "./client.js";
import { discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

describeOnEachDaemon("tasks", (daemon) => {
  let client: Client;
  let directory = "";
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

  it("say why they are in the wrong state", async () => {
    const { container, task } = await started("states");
    await assert.rejects(container.newTask(), isAlreadyExists);
    await assert.rejects(task.start(), isFailedPrecondition);
    await assert.rejects(task.resume(), isFailedPrecondition);
    await assert.rejects(task.delete(), isFailedPrecondition);
    await assert.rejects(container.delete({ snapshot: true }), isFailedPrecondition);
    const pause = await task.pause();
    await assert.rejects(task.pause(), isFailedPrecondition);
    assert.equal((await task.status()).status, "paused");
    await pause[Symbol.asyncDispose]();
    await task.kill("SIGKILL");
    assert.equal((await task.wait()).exitStatus, 137);
    await assert.rejects(task.kill("SIGKILL"), isNotFound);
    await assert.rejects(task.freeze(), isFailedPrecondition);
    await assert.rejects(task.checkpoint({ imagePath: join(directory, "never") }), isFailedPrecondition);
    assert.equal((await task.delete()).exitStatus, 137);
    await assert.rejects(task.delete(), isNotFound);
    await assert.rejects(container.task(), isNotFound);
    const next = await container.newTask();
    assert.equal((await next.status()).status, "created");
    await assert.rejects(next.freeze(), isFailedPrecondition);
    await assert.rejects(next.checkpoint({ imagePath: join(directory, "never") }), isFailedPrecondition);
  });

  it("are ended and removed by force", async () => {
    const { task } = await started("forced", ["sh", "-c", "trap '' TERM; sleep 1000 & wait; wait"]);
    assert.equal((await task.delete({ force: true })).exitStatus, 137);
  });

  it("run further processes, from arguments or a whole process", async () => {
    const { container, task } = await started("execs");
    const plain = await task.exec("plain", ["sh", "-c", "exit 7"]);
    const exit = plain.wait();
    await plain.start();
    assert.equal((await exit).exitStatus, 7);
    await assert.rejects(task.exec("plain", ["true"]), isAlreadyExists);
    assert.equal((await plain.delete()).exitStatus, 7);
    const { process } = await container.spec();
    assert.ok(process);
    const whole = await task.exec("whole", { ...process, cwd: "/tmp", args: ["sh", "-c", 'test "$PWD" = /tmp'] });
    await whole.start();
    assert.equal((await whole.wait()).exitStatus, 0);
    await whole.delete();
  });

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

    it("into the store, need a lease", async () => {
      const { task } = await started("store", SILENT_COUNT);
      await assert.rejects(task.checkpoint(), isInvalidArgument);
      const lease = await client.leases.create();
      const parts = await task.checkpoint({ lease });
      assert.deepEqual(parts.map(({ mediaType }) => mediaType).sort(), [
        "application/vnd.containerd.container.checkpoint.config.v1+proto",
        "application/vnd.containerd.container.criu.checkpoint.criu.tar",
      ]);
      for (const { digest, size } of parts) assert.equal((await client.content.info(digest)).size, size);
      assert.equal((await task.status()).status, "running");
      await client.leases.delete(lease, { sync: true });
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
