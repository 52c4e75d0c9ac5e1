import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { after, afterEach, before, describe, it } from "node:test";
import type { Checkpoint } from "../../src/checkpoint/document.js";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import {
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withCheckpointWay,
} from "../../src/checkpoint/plan.js";
import type { Container } from "../../src/client/container.js";
import type { Task } from "../../src/client/task.js";
import { isAlreadyExists, isFailedPrecondition, isInvalidArgument, isNotFound } from "../../src/errors.js";
import { withTerminal } from "../../src/oci/spec-process.js";
import { readTar } from "../../src/tar/tar.js";
import { all, bytesOf } from "./content-bed.js";
import { TaskBed, type TaskSubject } from "./task-bed.js";

/** What a daemon owes to those who freeze tasks and thaw them, whatever runs them. */
export function freezeSuite(name: string, make: () => Promise<TaskSubject>): void {
  describe(name, () => {
    const bed = new TaskBed(make);
    before(() => bed.begin());
    afterEach(async () => {
      await bed.tidy();
      await assertNothingLeft(bed);
    });
    after(() => bed.end());
    thawCases(bed);
    abortCases(bed);
    partCases(bed);
  });
}

function thawCases(bed: TaskBed): void {
  it("thaw in the place of the original, memory and files of one instant", async () => {
    const { container, task, counts } = await bed.counting();
    const exit = task.wait();
    const checkpoint = await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    assert.equal((await exit).exitStatus, 137);
    await task.delete();
    await container.delete({ snapshot: true });
    const restored = bed.keep(await bed.client.restore(container.id, "cp:1"));
    const { counts: more, task: thawed } = await bed.thawed(restored, "cp:1");
    assert.ok(thawed.pid > 0);
    await more.beyond(counts.last);
    const filed = await countIn(bed, checkpoint);
    const [first = 0] = more.numbers;
    assert.ok(first === filed || first === filed + 1, `the file says ${filed}, the thawed task goes on with ${first}`);
    assert.deepEqual(
      more.numbers,
      more.numbers.map((_, at) => first + at),
      "it counts on, one by one",
    );
  });

  it("thaw beside the living original, many times from one checkpoint", async () => {
    const { container, task, counts } = await bed.counting();
    await container.checkpoint("cp:1");
    assert.equal((await task.status()).status, "running");
    const frozen = counts.last;
    const copies = await Promise.all([1, 2].map(() => bed.client.restore(bed.next(), "cp:1")));
    for (const copy of copies) {
      const { counts: more } = await bed.thawed(bed.keep(copy), "cp:1");
      await more.beyond(frozen);
    }
    await counts.beyond(counts.last);
    await task.kill("SIGKILL", { all: true });
    await task.wait();
    const [copy] = copies;
    assert.ok(copy);
    const file = async () => Number(await bed.output(await copy.task(), ["cat", "/count"]));
    const before = await file();
    for (let tries = 0; (await file()) <= before; tries++) assert.ok(tries < 100, `it stays at ${before}`);
  });

  it("checkpoint again what was thawed", async () => {
    const { container } = await bed.counting();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const copy = bed.keep(await bed.client.restore(bed.next(), "cp:1"));
    const { counts } = await bed.thawed(copy, "cp:1");
    const number = await counts.beyond(0);
    await copy.checkpoint("cp:2", [withCheckpointTaskExit()]);
    const again = bed.keep(await bed.client.restore(bed.next(), "cp:2"));
    const { counts: more } = await bed.thawed(again, "cp:2");
    assert.ok((await more.beyond(0)) >= number);
  });

  it("give input to a thawed task, its exit status, and signals", async () => {
    const { container } = await bed.started(["asker"], { io: bed.pipes({ stdin: "pipe" }) });
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const restored = bed.keep(await bed.client.restore(bed.next(), "cp:1"));
    const task = await restored.newTask({ checkpoint: "cp:1", io: bed.pipes({ stdin: "pipe" }) });
    assert.ok(task.io.stdin && task.io.stdout && task.io.stderr);
    task.io.stderr.resume();
    const answer = text(task.io.stdout);
    await task.start();
    task.io.stdin.write("hello\n");
    assert.equal((await task.wait()).exitStatus, 5);
    await task.delete();
    assert.equal(await answer, "zhelloz\n");
    const second = await restored.newTask({ checkpoint: "cp:1", io: bed.pipes({ stdin: "pipe" }) });
    await second.start();
    await second.kill("SIGKILL");
    assert.equal((await second.wait()).exitStatus, 137);
  });

  it("thaw a task with its terminal", async () => {
    const container = await bed.container(["asker"], [withTerminal(true, { width: 80, height: 24 })]);
    const task = await container.newTask({ io: bed.pipes({ stdin: "pipe" }) });
    task.io.stdout?.resume();
    await task.start();
    await container.checkpoint("cp:1", [
      withCheckpointTask({ terminal: true }),
      withCheckpointRW(),
      withCheckpointTaskExit(),
    ]);
    const restored = bed.keep(await bed.client.restore(bed.next(), "cp:1"));
    const thawed = await restored.newTask({ checkpoint: "cp:1", io: bed.pipes({ stdin: "pipe" }) });
    assert.ok(thawed.io.stdin && thawed.io.stdout);
    const output = text(thawed.io.stdout);
    await thawed.start();
    thawed.io.stdin.write("hello\n");
    assert.equal((await thawed.wait()).exitStatus, 5);
    await thawed.delete();
    assert.match(await output, /zhelloz\r\n/);
  });

  it("leave a task paused that was paused before", async () => {
    const { container, task, counts } = await bed.counting();
    await task.freeze();
    const { cost } = await container.checkpoint("cp:1");
    assert.equal(cost.pausedMs, 0);
    assert.equal((await task.status()).status, "paused");
    await task.resume();
    await counts.beyond(counts.last);
  });

  it("make each checkpoint of one container as whole as the first", async () => {
    const { container, counts } = await bed.counting();
    const first = await container.checkpoint("cp:1");
    await counts.beyond(counts.last);
    const second = await container.checkpoint("cp:2", [withCheckpointWay("daemon")]);
    assert.notEqual(second.task?.digest, first.task?.digest);
    assert.equal(second.spec?.digest, first.spec?.digest);
    for (const { task, rw, spec } of [first, second]) {
      for (const part of [task, rw, spec])
        assert.equal((await bed.client.content.info(part?.digest ?? "sha256:")).size, part?.size);
    }
    assert.deepEqual([first.leftBehind, second.leftBehind], [[], []]);
    for (const ref of ["cp:1", "cp:2"]) {
      const copy = bed.keep(await bed.client.restore(bed.next(), ref));
      const { counts: more } = await bed.thawed(copy, ref);
      await more.beyond(0);
    }
  });
}

function abortCases(bed: TaskBed): void {
  for (const phase of ["prepare", "pause", "capture", "resume", "write", "register"]) {
    for (const exit of phase === "resume" ? [false] : [false, true]) {
      it(`leave everything as it was when the caller leaves in phase ${phase}${exit ? ", with an exit" : ""}`, async () => {
        const { container, task, counts } = await bed.counting();
        const stop = new AbortController();
        const why = new Error("enough");
        const attempt = container.checkpoint("cp:1", exit ? [withCheckpointTaskExit()] : [], {
          signal: stop.signal,
          onProgress: (progress) => {
            if (progress.phase === phase) stop.abort(why);
          },
        });
        await assert.rejects(attempt, (reason) => reason === why);
        assert.equal((await task.status()).status, "running");
        await counts.beyond(counts.last);
        await assert.rejects(bed.client.images.get("cp:1"), isNotFound);
        await container.checkpoint("cp:1");
      });
    }
  }

  for (const phase of ["snapshot", "rw", "container"]) {
    it(`leave nothing when the caller leaves in phase ${phase} of a restore, which can be tried again`, async () => {
      const { container } = await bed.counting();
      await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
      const stop = new AbortController();
      const id = bed.next();
      const attempt = bed.client.restore(id, "cp:1", [], {
        signal: stop.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) stop.abort();
        },
      });
      await assert.rejects(attempt);
      await assert.rejects(bed.client.containers.get(id), isNotFound);
      await assert.rejects(bed.client.snapshots().stat(id), isNotFound);
      const { counts } = await bed.thawed(bed.keep(await bed.client.restore(id, "cp:1")), "cp:1");
      await counts.beyond(0);
    });
  }
}

function partCases(bed: TaskBed): void {
  it("refuse a task that is not running, and a name that is taken", async () => {
    const container = await bed.container(["sleep", "1000"]);
    const task = await container.newTask();
    await assert.rejects(container.checkpoint("cp:1"), isFailedPrecondition);
    await task.start();
    await assert.rejects(container.checkpoint(bed.subject.image, [withCheckpointTaskExit()]), isAlreadyExists);
    assert.equal((await task.status()).status, "running");
    await task.kill("SIGKILL");
    await task.wait();
    await assert.rejects(container.checkpoint("cp:1"), isFailedPrecondition);
  });

  it("dump into a directory, and thaw from there", async () => {
    const { container, task, counts } = await bed.counting();
    const imagePath = bed.path();
    assert.deepEqual(await task.checkpoint({ imagePath, exit: true }), []);
    assert.ok((await readdir(imagePath)).length > 1);
    assert.equal((await task.wait()).exitStatus, 137);
    const frozen = counts.last;
    await task.delete();
    const thawed = await container.newTask({ runtimeOptions: { criuImagePath: imagePath }, io: bed.pipes() });
    assert.equal(thawed.pid, 0);
    assert.equal((await thawed.status()).status, "created");
    await assert.rejects(thawed.kill("SIGKILL"), isNotFound);
    await thawed.start();
    assert.ok(thawed.pid > 0);
    assert.equal((await thawed.status()).status, "running");
    assert.ok(frozen > 0);
  });

  it("dump into the store under a lease", async () => {
    const { task, counts } = await bed.counting();
    await assert.rejects(task.checkpoint(), isInvalidArgument);
    await using lease = await bed.client.leases.create();
    await task.freeze();
    const parts = await task.checkpoint({ lease });
    const types = parts.map(({ mediaType }) => mediaType);
    assert.deepEqual(new Set(types), new Set([CheckpointMediaType.spec, CheckpointMediaType.task]));
    for (const { digest, size } of parts) assert.equal((await bed.client.content.info(digest)).size, size);
    const held = (await all(bed.client.leases.resources(lease))).map(({ id }) => id);
    assert.deepEqual(new Set(held), new Set(parts.map(({ digest }) => digest)));
    assert.equal((await task.status()).status, "paused");
    await task.resume();
    await counts.beyond(counts.last);
  });

  it("refuse a dump that is not there or no dump, and nothing is made", async () => {
    const { container } = await bed.counting();
    const checkpoint = await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    const thaw = async (change: Partial<Checkpoint>): Promise<Container | Task> => {
      const other = await bed.container(["counter"]);
      const attempt = other.newTask({ checkpoint: { ...checkpoint, ...change } });
      await attempt.catch(() => {});
      await assert.rejects(other.task(), isNotFound);
      return attempt;
    };
    assert.ok(checkpoint.task);
    await assert.rejects(thaw({ task: { ...checkpoint.task, digest: `sha256:${"0".repeat(64)}` } }), isNotFound);
    await assert.rejects(
      thaw({ task: { ...checkpoint.task, mediaType: "text/plain" } }),
      /unsupported checkpoint type "text\/plain"/,
    );
  });
}

/** The number in the writable layer of a checkpoint. */
async function countIn({ client }: TaskBed, { rw }: Checkpoint): Promise<number> {
  assert.ok(rw);
  for await (const { name, body } of readTar(client.content.read(rw))) {
    if (name === "count") return Number(await bytesOf(body));
  }
  throw new Error("the writable layer holds no count");
}

/** Nothing of an operation is left: no lease, no ingest, no snapshot of ours. */
async function assertNothingLeft({ client }: TaskBed): Promise<void> {
  await client.leases.delete(await client.leases.create(), { sync: true });
  assert.deepEqual(
    (await all(client.leases.list())).map(({ id }) => id),
    [],
  );
  assert.deepEqual(await all(client.content.statuses()), []);
  const names = (await all(client.snapshots().list())).map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => name.startsWith("containerd-client-")),
    [],
  );
}
