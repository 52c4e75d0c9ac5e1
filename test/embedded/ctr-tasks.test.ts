import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type CommandResult, runCommand } from "../../lab/command.js";
import { preparedRelease } from "../../lab/releases.js";
import { isNotFound } from "../../src/errors.js";
import { whyNoOciRuntime } from "./oci-programs.js";
import { type ListeningSubject, ociSubject, simulatedSubject } from "./task-beds.js";

// Its own preparations mount the image to look for users.
const skip = whyNoOciRuntime();

for (const [what, make] of [
  ["simulated tasks", () => simulatedSubject("on a directory")],
  ["containers", ociSubject],
] as const) {
  describe(`ctr and the ${what} of an embedded containerd`, { skip }, () => {
    let subject: ListeningSubject;
    let socket = "";

    const attempt = (...args: string[]): Promise<CommandResult> => {
      const { namespace } = subject.client;
      return runCommand(preparedRelease("v21")?.ctr ?? "ctr", ["-a", socket, "-n", namespace, ...args], {
        allowFailure: true,
      });
    };
    const ctr = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await attempt(...args);
      assert.equal(code, 0, `ctr ${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const rows = async (...args: string[]): Promise<string[][]> => {
      const lines = (await ctr(...args)).trim().split("\n").slice(1);
      return lines.map((line) => line.trim().split(/\s+/));
    };

    before(async () => {
      subject = await make();
      socket = join(subject.directory, "ctr.sock");
      await subject.listen(socket);
    });
    afterEach(async () => {
      for await (const container of subject.client.containers.list()) {
        const task = await container.task().catch((reason: unknown) => {
          if (!isNotFound(reason)) throw reason;
        });
        await task?.delete({ force: true });
        await container.delete({ snapshot: true });
      }
    });
    after(() => subject.end());

    it("runs a container to its end, with its output and exit status", async () => {
      assert.equal(await ctr("run", "--rm", subject.image, "hello", "echo", "hello", "ctr"), "hello ctr\n");
      assert.equal((await attempt("run", "--rm", subject.image, "bye", "seven")).code, 7);
      assert.deepEqual(await rows("tasks", "ls"), []);
      assert.deepEqual(await rows("containers", "ls"), []);
    });

    it("runs, lists, pauses, resumes, looks into, kills and removes one", async () => {
      await ctr("run", "--detach", subject.image, "c", "sleep", "1000");
      const task = await (await subject.client.containers.get("c")).task();
      const listed = async () => (await rows("tasks", "ls")).map(([name, , status]) => [name, status]);
      assert.deepEqual(await listed(), [["c", "RUNNING"]]);
      assert.deepEqual(
        (await rows("tasks", "ps", "c")).map(([pid]) => Number(pid)),
        [task.pid],
      );
      await ctr("tasks", "pause", "c");
      assert.deepEqual(await listed(), [["c", "PAUSED"]]);
      const twice = await attempt("tasks", "pause", "c");
      assert.match(twice.stderr, /cannot pause a paused container/);
      await ctr("tasks", "resume", "c");
      assert.deepEqual(await listed(), [["c", "RUNNING"]]);
      assert.equal(await ctr("tasks", "exec", "--exec-id", "e", "c", "echo", "beside"), "beside\n");
      assert.equal((await attempt("tasks", "exec", "--exec-id", "e", "c", "seven")).code, 7);
      assert.match(await ctr("tasks", "metrics", "c"), /^memory\.usage\s+\d+/m);
      await ctr("tasks", "kill", "--signal", "SIGKILL", "c");
      assert.equal((await task.wait()).exitStatus, 137);
      assert.deepEqual(await listed(), [["c", "STOPPED"]]);
      await ctr("tasks", "rm", "c");
      await ctr("containers", "rm", "c");
      await assert.rejects(subject.client.containers.get("c"), isNotFound);
    });

    it("checkpoints tasks and containers, and restores them with us in turns", async () => {
      await ctr("run", "--detach", subject.image, "c", "waiter");
      const images = join(subject.directory, "images");
      await ctr("tasks", "checkpoint", "--image-path", images, "c");
      assert.ok((await readdir(images)).length > 1);
      const name = (await ctr("tasks", "checkpoint", "c")).trim();
      assert.ok((await subject.client.images.get(name)).target.size > 0);
      await ctr("containers", "checkpoint", "--rw", "--task", "--image", "c", "cp:ctr");
      const container = await subject.client.containers.get("c");
      await container.checkpoint("cp:ours");
      assert.equal((await (await container.task()).status()).status, "running");
      await (await container.task()).delete({ force: true });
      await container.delete({ snapshot: true });
      await ctr("containers", "restore", "--rw", "--live", "d", "cp:ours");
      const ours = await subject.client.restore("e", "cp:ctr");
      const task = await ours.newTask({ checkpoint: "cp:ctr" });
      await task.start();
      assert.deepEqual((await rows("tasks", "ls")).map(([id, , status]) => `${id} ${status}`).sort(), [
        "d RUNNING",
        "e RUNNING",
      ]);
    });
  });
}
