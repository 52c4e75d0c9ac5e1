import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { before, describe, it } from "node:test";
import {
  type CheckpointOption,
  type Client,
  type Container,
  isAlreadyExists,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  streamIO,
  withCheckpointRuntime,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withRestoreCriuConfig,
  withRestoreImage,
  withRestoreLabels,
  withRestoreRW,
  withRestoreSpec,
  withRestoreSpecEdit,
} from "../../src/index.js";
import { lockProbe } from "../fixtures/programs.js";
import { listed } from "./audit.js";
import { ensureImage } from "./client.js";
import { ContainerBed } from "./container-bed.js";
import { COUNT, countOf, countsBeyond, IMAGE, upperOf } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("restore", (daemon) => {
  const bed = new ContainerBed(daemon, "restore");
  const { next, keep, started, counting, drop } = bed;
  let client: Client;
  const thaw = async (container: Container, ref: string) => {
    const task = await container.newTask({ checkpoint: ref });
    await task.start();
    return task;
  };

  before(() => {
    client = bed.client;
  });

  it("thaws under the same id after deletion, and goes on counting", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const frozen = await countOf(client, container);
    await drop(container);
    const restored = keep(await client.restore(container.id, "cp:1"));
    assert.equal(await countOf(client, restored), frozen, "the rw layer holds the number of the freeze");
    const task = await thaw(restored, "cp:1");
    assert.equal((await task.status()).status, "running");
    const number = await countsBeyond(client, restored, frozen);
    assert.ok(number - frozen < 200, `${frozen} → ${number}: it did not go on, it began anew or jumped`);
  });

  it("thaws under a new id beside the living original, each in a cgroup of its own", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:1");
    const copy = keep(await client.restore(next(), "cp:1"));
    await thaw(copy, "cp:1");
    await countsBeyond(client, copy, await countOf(client, copy));
    await countsBeyond(client, container, await countOf(client, container));
    const paths = await Promise.all([container, copy].map(async (one) => (await one.spec()).linux?.cgroupsPath));
    assert.notEqual(paths[0], paths[1]);
    const original = await container.task();
    await original.kill("SIGKILL", { all: true });
    await original.wait();
    await countsBeyond(client, copy, await countOf(client, copy));
  });

  it("thaws many times from one checkpoint, and a thawed task can be checkpointed again", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const copies = await Promise.all([next(), next()].map((id) => client.restore(id, "cp:1")));
    copies.forEach(keep);
    for (const copy of copies) await thaw(copy, "cp:1");
    const [first] = copies;
    assert.ok(first);
    await countsBeyond(client, first, await countOf(client, first));
    await first.checkpoint("cp:2", [withCheckpointTaskExit()]);
    const frozen = await countOf(client, first);
    const again = keep(await client.restore(next(), "cp:2"));
    await thaw(again, "cp:2");
    await countsBeyond(client, again, frozen);
  });

  it("brings back a task with a terminal, which reads on where it was", async () => {
    const script = ["sh", "-c", 'read A; echo z"$A"z'];
    const container = keep(await client.containers.create(next(), { image: IMAGE, args: script, spec: [terminal] }));
    const task = await container.newTask({
      io: streamIO({ stdin: new PassThrough(), stdout: new PassThrough() }),
    });
    await task.start();
    await container.checkpoint("cp:1", [
      withCheckpointTask({ terminal: true }),
      withCheckpointRW(),
      withCheckpointTaskExit(),
    ]);
    await drop(container);
    const restored = keep(await client.restore(container.id, "cp:1"));
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    let output = "";
    stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const thawed = await restored.newTask({ checkpoint: "cp:1", io: streamIO({ stdin, stdout }) });
    await thawed.start();
    stdin.write("hello\n");
    assert.equal((await thawed.wait()).exitStatus, 0);
    await thawed.delete();
    assert.match(output, /zhelloz/);
  });

  it("gives the exit status of a thawed task", async () => {
    const { container } = await started([
      "sh",
      "-c",
      "echo 1 > /count; while [ ! -e /stop ]; do sleep 0.05; done; exit 7",
    ]);
    await countOf(client, container);
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const restored = keep(await client.restore(next(), "cp:1"));
    const task = await thaw(restored, "cp:1");
    const exec = await task.exec("stop", ["touch", "/stop"]);
    await exec.start();
    await exec.wait();
    assert.equal((await task.wait()).exitStatus, 7);
  });

  it("thaws a leave-running checkpoint after the original ended by itself", async () => {
    const { container, task } = await started(["sh", "-c", "i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 0.1; done"]);
    await container.checkpoint("cp:1", [withCheckpointRuntime(), withCheckpointRW(), withCheckpointTask()]);
    assert.equal((await task.wait()).exitStatus, 0);
    await drop(container);
    const restored = keep(await client.restore(container.id, "cp:1"));
    const thawed = await thaw(restored, "cp:1");
    assert.equal((await thawed.wait()).exitStatus, 0);
  });

  it("thaws from a directory that task.checkpoint() filled", async () => {
    const directory = await mkdtemp(join(tmpdir(), "criu-"));
    try {
      const { container, task } = await counting();
      await task.checkpoint({ imagePath: join(directory, "images"), exit: true });
      const frozen = await countOf(client, container);
      const { rw } = await container.checkpoint("cp:files", [withCheckpointRW()]);
      const made = keep(await client.containers.create(next(), { image: IMAGE, args: COUNT }));
      const { snapshotter, snapshotKey } = await made.info();
      assert.ok(rw);
      await client.diffs.apply(rw, await client.snapshots(snapshotter).mounts(snapshotKey));
      const thawed = await made.newTask({ runtimeOptions: { criuImagePath: join(directory, "images") } });
      await thawed.start();
      await countsBeyond(client, made, frozen);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  for (const compression of ["gzip", "zstd", "none"] as const) {
    it(`applies an rw layer packed as ${compression}: changed, new and deleted files`, async (test) => {
      if (compression === "zstd" && daemon().release !== "v21") return test.skip("containerd before 2.0 packs no zstd");
      const secret = randomBytes(8).toString("hex");
      const { container } = await started([
        "sh",
        "-c",
        `rm /etc/group; echo ${secret} > /etc/passwd; mkdir -p /new/dir; echo x > /new/dir/f; ln -s f /new/dir/l; echo 1 > /count; while :; do sleep 1; done`,
      ]);
      await countOf(client, container);
      await container.checkpoint("cp:1", [withCheckpointTask(), withCheckpointRW(compression)]);
      const copy = keep(await client.restore(next(), "cp:1"));
      const task = await thaw(copy, "cp:1");
      const upper = await upperOf(client, copy);
      assert.equal((await readFile(join(upper, "etc/passwd"), "utf8")).trim(), secret);
      const exec = await task.exec("look", [
        "sh",
        "-c",
        "test ! -e /etc/group && test -L /new/dir/l && test -f /new/dir/f",
      ]);
      await exec.start();
      assert.equal((await exec.wait()).exitStatus, 0);
    });
  }

  it("brings back all that a task did which ended with its checkpoint: none of its processes went on after that", async () => {
    const write =
      "for n in 1 2 3 4; do (i=0; while :; do i=$((i+1)); echo $i >> /log$n; done) & done; echo 1 > /count; wait";
    const logs = ["log1", "log2", "log3", "log4"];
    const sizes = async (container: Container) => {
      const upper = await upperOf(client, container);
      return Promise.all(logs.map(async (name) => (await stat(join(upper, name))).size));
    };
    for (let round = 0; round < 3; round++) {
      const { container } = await started(["sh", "-c", write]);
      await countOf(client, container);
      while ((await sizes(container).catch(() => [0])).includes(0)) await countOf(client, container);
      await container.checkpoint(`cp:${round}`, [withCheckpointTaskExit()]);
      const copy = keep(await client.restore(next(), `cp:${round}`));
      assert.deepEqual(await sizes(copy), await sizes(container));
    }
  });

  it("restores files and spec alone, to be started afresh", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const frozen = await countOf(client, container);
    const fresh = keep(await client.restore(next(), "cp:1", [withRestoreImage(), withRestoreSpec(), withRestoreRW()]));
    assert.equal(await countOf(client, fresh), frozen);
    const task = await fresh.newTask();
    await task.start();
    for (let tries = 0; (await countOf(client, fresh)) >= frozen; tries++)
      assert.ok(tries < 1000, "it did not begin anew");
  });

  it("changes the spec as told and labels only as told", async () => {
    const { container } = await counting();
    await container.setLabels({ "org.example.secret": "original's" });
    await container.checkpoint("cp:1");
    const copy = keep(
      await client.restore(next(), "cp:1", [
        withRestoreLabels({ mine: "yes" }),
        withRestoreSpecEdit((spec) => {
          spec.annotations = { ...spec.annotations, "org.example.edited": "yes" };
        }),
      ]),
    );
    assert.deepEqual((await copy.info()).labels, { mine: "yes" });
    assert.equal((await copy.spec()).annotations?.["org.example.edited"], "yes");
    await thaw(copy, "cp:1");
  });

  describe("base image", () => {
    const moved = async (options?: CheckpointOption[]) => {
      const { container } = await counting();
      await container.checkpoint("cp:1", options);
      await drop(container);
      const { target } = await client.images.get(IMAGE);
      const other = await client.images.get("cp:1");
      return { target, other };
    };

    it("is found by its digest under any name", async () => {
      const { target } = await moved([withCheckpointTask(), withCheckpointRW()]);
      await client.images.create("docker.io/library/renamed:1", target);
      await client.images.delete(IMAGE, { sync: true });
      try {
        const restored = keep(await client.restore(next(), "cp:1"));
        await thaw(restored, "cp:1");
      } finally {
        await client.images.create(IMAGE, target);
      }
    });

    it("is refused when the name stands for another image and the right one is gone", async () => {
      const { target, other } = await moved([withCheckpointTask(), withCheckpointRW()]);
      await client.images.delete(IMAGE, { sync: true });
      await client.images.create(IMAGE, other.target);
      try {
        const gone = client.restore(next(), "cp:1");
        await assert.rejects(
          gone,
          (reason) => isFailedPrecondition(reason) && /it was made on/.test((reason as Error).message),
        );
      } finally {
        await client.images.delete(IMAGE, { sync: true });
        await ensureImage(client);
        assert.equal((await client.images.get(IMAGE)).target.digest, target.digest);
      }
    });

    it("comes out of the checkpoint when it is gone from the daemon", async () => {
      await moved();
      await client.images.delete(IMAGE, { sync: true });
      try {
        const restored = keep(await client.restore(next(), "cp:1"));
        await thaw(restored, "cp:1");
        await countsBeyond(client, restored, await countOf(client, restored));
      } finally {
        await ensureImage(client);
      }
    });
  });

  describe("refuses before anything is made", () => {
    const nothingMade = async (attempt: () => Promise<unknown>, expected: (reason: unknown) => boolean) => {
      const before = [
        await listed(daemon(), client, "containers", "ls", "-q"),
        await listed(daemon(), client, "snapshots", "ls"),
      ];
      await assert.rejects(attempt, expected);
      const now = [
        await listed(daemon(), client, "containers", "ls", "-q"),
        await listed(daemon(), client, "snapshots", "ls"),
      ];
      assert.deepEqual(now, before);
    };

    it("an id that is taken", async () => {
      const { container } = await counting();
      await container.checkpoint("cp:1");
      await nothingMade(() => client.restore(container.id, "cp:1"), isAlreadyExists);
    });

    it("a checkpoint that is not there, an image that is none", async () => {
      await nothingMade(() => client.restore(next(), "cp:nope"), isNotFound);
      await nothingMade(() => client.restore(next(), IMAGE), isInvalidArgument);
    });

    it("a checkpoint whose memory is gone from the store", async () => {
      const { container } = await counting();
      const { task, target } = await container.checkpoint("cp:1");
      assert.ok(task);
      await client.content.delete(task.digest);
      assert.ok(target);
      await nothingMade(() => client.restore(next(), "cp:1"), isNotFound);
    });

    it("file locks, by name, which are kept when criu is told", async () => {
      const directory = await mkdtemp(join(tmpdir(), "criu-"));
      try {
        const lock = "exec flock /data/lock sh -c 'echo 1 > /count; while :; do sleep 0.1; done'";
        const { container } = await started(["sh", "-c", lock]);
        await countOf(client, container);
        await container.checkpoint("cp:1");
        await nothingMade(
          () => client.restore(next(), "cp:1"),
          (reason) => isFailedPrecondition(reason) && /file locks/.test(String(reason)),
        );
        const copy = keep(await client.restore(next(), "cp:1", [withRestoreCriuConfig({ directory })]));
        const config = join(directory, `${copy.id}.criu.conf`);
        assert.equal((await stat(config)).mode & 0o777, 0o600);
        const task = await thaw(copy, "cp:1");
        const exec = await task.exec("try", lockProbe);
        await exec.start();
        assert.equal((await exec.wait()).exitStatus, 1, "the lock was lost");
        await drop(copy);
        await assert.rejects(stat(config), { code: "ENOENT" });
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  });

  it("leaves nothing when it fails half-way, so that the same call works at once", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:1");
    const id = next();
    const broken = withRestoreSpecEdit(() => {
      throw new Error("the caller's own mistake");
    });
    await assert.rejects(client.restore(id, "cp:1", [broken]), /the caller's own mistake/);
    const restored = keep(await client.restore(id, "cp:1"));
    await thaw(restored, "cp:1");
  });

  it("takes the task away again when criu cannot thaw it, and says why", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:1");
    const copy = keep(await client.restore(next(), "cp:1", [withRestoreImage(), withRestoreSpec()]));
    // Without the rw layer the script's files are missing, and criu checks every file that is open.
    await writeFile(join(await upperOf(client, copy), "bin"), "in the way").catch(() => {});
    const task = await copy.newTask({ checkpoint: "cp:1" });
    const failure = await task.start().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (failure !== undefined) await assert.rejects(copy.task(), isNotFound);
  });
});

function terminal(spec: { process?: { terminal?: boolean } }): void {
  if (spec.process !== undefined) spec.process.terminal = true;
}
