import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Process } from "../../src/client/process.js";
import { fileIO, type IOContext, nullIO } from "../../src/client/task-io.js";
import {
  isAlreadyExists,
  isContainerdError,
  isDeadlineExceeded,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
} from "../../src/errors.js";
import { withTerminal } from "../../src/oci/spec-process.js";
import { seen } from "../daemon/audit.js";
import { TaskBed, type TaskSubject } from "./task-bed.js";

/** What a daemon owes to those who run tasks, whatever runs them. */
export function taskSuite(name: string, make: () => Promise<TaskSubject>): void {
  describe(name, () => {
    const bed = new TaskBed(make);
    before(() => bed.begin());
    afterEach(() => bed.tidy());
    after(() => bed.end());
    lifeCases(bed);
    execCases(bed);
    streamCases(bed);
  });
}

function lifeCases(bed: TaskBed): void {
  it("say why they are in the wrong state", async () => {
    const { container, task } = await bed.started(["sleep", "1000"]);
    await assert.rejects(container.newTask(), isAlreadyExists);
    await assert.rejects(task.start(), isFailedPrecondition);
    await assert.rejects(task.resume(), isFailedPrecondition);
    await assert.rejects(task.delete(), isFailedPrecondition);
    await assert.rejects(container.delete({ snapshot: true }), isFailedPrecondition);
    const pause = await task.pause();
    await assert.rejects(task.pause(), isFailedPrecondition);
    await assert.rejects(task.start(), isFailedPrecondition);
    await assert.rejects(task.exec("paused", ["true"]), isFailedPrecondition);
    assert.equal((await task.status()).status, "paused");
    await pause[Symbol.asyncDispose]();
    assert.equal((await task.status()).status, "running");
    await task.kill("SIGKILL");
    assert.equal((await task.wait()).exitStatus, 137);
    await assert.rejects(task.kill("SIGKILL"), isNotFound);
    await assert.rejects(task.freeze(), isFailedPrecondition);
    await assert.rejects(task.start(), isFailedPrecondition);
    await assert.rejects(task.checkpoint({ imagePath: bed.path() }), isFailedPrecondition);
    const { status, exitStatus, exitedAt } = await task.status();
    assert.deepEqual([status, exitStatus], ["stopped", 137]);
    const exit = await task.delete();
    assert.deepEqual(exit, { exitStatus: 137, exitedAt });
    await assert.rejects(task.delete(), isNotFound);
    await assert.rejects(task.wait(), isNotFound);
    await assert.rejects(container.task(), isNotFound);
    const next = await container.newTask();
    assert.equal((await next.status()).status, "created");
    await assert.rejects(next.freeze(), isFailedPrecondition);
    await assert.rejects(next.resume(), isFailedPrecondition);
    await assert.rejects(next.checkpoint({ imagePath: bed.path() }), isFailedPrecondition);
  });

  it("are nowhere without their container", async () => {
    await assert.rejects(bed.client.containers.get("nobody"), isNotFound);
    const container = await bed.container(["true"]);
    await assert.rejects(container.task(), isNotFound);
    const task = await container.newTask();
    await container.task();
    await task.delete();
    await assert.rejects(container.task(), isNotFound);
  });

  for (const [program, status] of [
    ["true", 0],
    ["false", 1],
    ["seven", 7],
  ] as const) {
    it(`end with the status of their program: ${program}`, async () => {
      const container = await bed.container([program]);
      const task = await container.newTask();
      const exit = task.wait();
      await task.start();
      const { exitStatus, exitedAt } = await exit;
      assert.equal(exitStatus, status);
      assert.ok(Math.abs(exitedAt.getTime() - Date.now()) < 60_000);
      assert.deepEqual(await task.wait(), { exitStatus, exitedAt });
      assert.deepEqual(await task.delete(), { exitStatus, exitedAt });
    });
  }

  it("whose program is not there are refused, and can be had anew", async () => {
    const container = await bed.container(["no-such-program"]);
    await assert.rejects(
      (async () => (await container.newTask()).start())(),
      (error) => isContainerdError(error) && /"no-such-program": executable file not found/.test(error.message),
    );
    await container
      .task()
      .then((task) => task.delete())
      .catch((reason: unknown) => {
        if (!isNotFound(reason)) throw reason;
      });
    await container.update({
      spec: {
        ...(await container.spec()),
        process: { args: ["true"], cwd: "/", user: { uid: 0, gid: 0 }, env: ["PATH=/bin"] },
      },
    });
    const task = await container.newTask();
    await task.start();
    assert.equal((await task.wait()).exitStatus, 0);
  });

  it("do not end by a signal their first process does not handle, and do by SIGKILL", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    await task.kill("SIGTERM");
    await sleep(100);
    assert.equal((await task.status()).status, "running");
    await task.kill("SIGKILL", { all: true });
    assert.equal((await task.wait()).exitStatus, 137);
  });

  it("that were never started can be killed and deleted", async () => {
    const container = await bed.container(["sleep", "1000"]);
    const task = await container.newTask();
    await task.kill("SIGKILL");
    assert.equal((await task.wait()).exitStatus, 137);
    await task.delete();
    await (await container.newTask()).delete();
    await assert.rejects(container.task(), isNotFound);
  });

  it("stand still in a pause, and die in one when they must", async () => {
    const { task, counts } = await bed.counting();
    const pause = await task.pause();
    await sleep(100);
    const frozen = counts.last;
    await sleep(200);
    assert.equal(counts.last, frozen);
    await pause[Symbol.asyncDispose]();
    await counts.beyond(frozen);
    await task.freeze();
    await task.kill("SIGKILL", { all: true });
    // Where a frozen process dies only once it is thawed.
    await task.resume().catch(() => {});
    assert.equal((await task.wait()).exitStatus, 137);
  });

  it("are ended and removed by force", async () => {
    const { container, task } = await bed.started(["sleep", "1000"]);
    assert.equal((await task.delete({ force: true })).exitStatus, 137);
    await assert.rejects(container.task(), isNotFound);
  });

  it("are measured, and their limits changed", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    await task.update({ resources: { pids: { limit: 100 } } });
    const metrics = await task.metrics();
    assert.match(metrics?.data.typeUrl ?? "", /^io\.containerd\.cgroups\.v[12]\.Metrics$/);
    assert.ok((metrics?.data.value.length ?? 0) > 0);
    assert.ok(metrics?.measuredAt);
  });

  it("end a wait whose caller leaves, and go on", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    const why = new Error("enough");
    await assert.rejects(task.wait({ signal: AbortSignal.abort(why) }), (reason) => reason === why);
    const stop = new AbortController();
    const waiting = task.wait({ signal: stop.signal });
    setTimeout(() => stop.abort(why), 50);
    await assert.rejects(waiting, (reason) => reason === why);
    assert.equal((await task.status()).status, "running");
  });

  it("tell what happens to them", async () => {
    const container = await bed.container(["sleep", "1000"]);
    const told = async (topic: string, act: () => Promise<unknown>): Promise<Record<string, unknown>> => {
      const events = await seen(bed.client, topic, act, 1);
      assert.equal(events.length, 1, `${topic}: ${events.length}`);
      return (events[0] as { payload: Record<string, unknown> }).payload;
    };
    const { id } = container;
    const made = await told("/tasks/create", () => container.newTask());
    const task = await container.task();
    assert.deepEqual([made["containerId"], made["pid"], made["checkpoint"]], [id, task.pid, ""]);
    assert.deepEqual(await told("/tasks/start", () => task.start()), { containerId: id, pid: task.pid });
    let exec = await task.exec("none", ["true"]);
    assert.deepEqual(
      await told("/tasks/exec-added", async () => {
        exec = await task.exec("e", ["seven"]);
      }),
      { containerId: id, execId: "e" },
    );
    const exited = told("/tasks/exit", () => sleep(500));
    assert.deepEqual(await told("/tasks/exec-started", () => sleep(100).then(() => exec.start())), {
      containerId: id,
      execId: "e",
      pid: exec.pid,
    });
    const { exitedAt, ...rest } = await exited;
    assert.deepEqual(rest, { containerId: id, id: "e", pid: exec.pid, exitStatus: 7 });
    assert.ok(exitedAt instanceof Date);
    assert.deepEqual(await told("/tasks/paused", () => task.freeze()), { containerId: id });
    assert.deepEqual(await told("/tasks/resumed", () => task.resume()), { containerId: id });
    const end = await told("/tasks/exit", () => task.kill("SIGKILL").then(() => task.wait()));
    assert.deepEqual([end["containerId"], end["id"], end["pid"], end["exitStatus"]], [id, id, task.pid, 137]);
  });

  it("tell that they are gone", async () => {
    const told = async () => {
      const { container, task } = await bed.started(["sleep", "1000"]);
      await task.kill("SIGKILL");
      await task.wait();
      const events = await seen(bed.client, "/tasks/delete", () => task.delete(), 1);
      const { id } = container;
      for (const event of events) {
        const { containerId, pid, exitStatus } = (event as { payload: Record<string, unknown> }).payload;
        assert.deepEqual([containerId, pid, exitStatus], [id, task.pid, 137]);
      }
      return events.length;
    };
    // A shim ends when it is asked to, whether its last event has been sent or not.
    let events = 0;
    for (let tries = bed.subject.hasShims === true ? 5 : 1; events === 0 && tries > 0; tries--) events = await told();
    assert.equal(events, 1);
  });
}

function execCases(bed: TaskBed): void {
  it("run further processes, from arguments or a whole process", async () => {
    const { container, task } = await bed.started(["sleep", "1000"]);
    const plain = await task.exec("plain", ["seven"]);
    assert.deepEqual([plain.pid, (await plain.status()).status], [0, "created"]);
    const exit = plain.wait();
    await plain.start();
    assert.equal((await exit).exitStatus, 7);
    assert.ok(plain.pid > 0);
    await assert.rejects(task.exec("plain", ["true"]), isAlreadyExists);
    await assert.rejects(task.exec("not an id", ["true"]), isInvalidArgument);
    await assert.rejects(plain.start(), isFailedPrecondition);
    await assert.rejects(plain.kill("SIGKILL"), isNotFound);
    assert.equal((await plain.delete()).exitStatus, 7);
    await assert.rejects(plain.delete(), isNotFound);
    await assert.rejects(plain.status(), isNotFound);
    const { process } = await container.spec();
    assert.ok(process);
    const whole = await task.exec("plain", { ...process, args: ["false"] });
    await whole.start();
    assert.equal((await whole.wait()).exitStatus, 1);
    await whole.delete();
  });

  it("run further processes that are killed alone, or with their task", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    const one = await task.exec("one", ["sleep", "1000"]);
    await assert.rejects(one.kill("SIGTERM"), isFailedPrecondition);
    await one.start();
    const two = await task.exec("two", ["sleep", "1000"]);
    await two.start();
    assert.deepEqual(new Set(await task.pids()), new Set([task.pid, one.pid, two.pid]));
    await assert.rejects(one.delete(), isFailedPrecondition);
    await one.kill("SIGTERM");
    assert.equal((await one.wait()).exitStatus, 143);
    assert.equal((await task.status()).status, "running");
    const ends = Promise.all([two.wait(), task.wait()]);
    await task.kill("SIGKILL", { all: true });
    assert.deepEqual(
      (await ends).map(({ exitStatus }) => exitStatus),
      [137, 137],
    );
    await task.delete();
    await assert.rejects(two.status(), isNotFound);
  });

  it("run further processes under an id for which somebody gave up", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    const why = new Error("enough");
    for (const afterMs of [0, 1, 2, 4, 8]) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(why), afterMs);
      const made = await task.exec("e", ["true"], { signal: stop.signal }).catch((reason: unknown) => {
        assert.equal(reason, why);
      });
      await made?.delete();
      const late = await task.exec("e", ["true"], { timeoutMs: 1 }).catch((reason: unknown) => {
        assert.ok(isDeadlineExceeded(reason), String(reason));
      });
      await late?.delete();
      const process = await task.exec("e", ["seven"]);
      await process.start();
      assert.equal((await process.wait()).exitStatus, 7);
      await process.delete();
    }
  });

  it("refuse a process whose program is not there", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    const broken = await task.exec("broken", ["no-such-program"]);
    await assert.rejects(broken.start(), /"no-such-program": executable file not found/);
    await broken.delete();
  });
}

function streamCases(bed: TaskBed): void {
  it("write to streams, and read from them to their end", async () => {
    const echoing = await bed.container(["echo", "hello", "there"]);
    const echo = await echoing.newTask({ io: bed.pipes() });
    assert.ok(echo.io.stdout && echo.io.stderr);
    const said = Promise.all([text(echo.io.stdout), text(echo.io.stderr)]);
    await echo.start();
    await echo.wait();
    await echo.delete();
    assert.deepEqual(await said, ["hello there\n", ""]);
    const copying = await bed.container(["cat"]);
    const cat = await copying.newTask({ io: bed.pipes({ stdin: "pipe" }) });
    assert.ok(cat.io.stdin && cat.io.stdout && cat.io.stderr);
    cat.io.stderr.resume();
    const copied = text(cat.io.stdout);
    await cat.start();
    const lines = "a line of some length that tells itself from others\n".repeat(20_000);
    cat.io.stdin.end(lines);
    assert.equal((await cat.wait()).exitStatus, 0);
    await cat.delete();
    assert.equal(await copied, lines);
  });

  it("end before they have read their input, and who writes it hears of that", async () => {
    const feed = (process: Process) => {
      assert.ok(process.io.stdin);
      return pipeline(Readable.from([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]), process.io.stdin);
    };
    const careless = await bed.container(["true"]);
    const task = await careless.newTask({ io: bed.pipes({ stdin: "pipe" }) });
    const fed = assert.rejects(feed(task), isFailedPrecondition);
    await task.start();
    await fed;
    assert.equal((await task.delete()).exitStatus, 0);
    const { task: other } = await bed.started(["sleep", "1000"]);
    const exec = await other.exec("e", ["seven"], { io: bed.pipes({ stdin: "pipe" }) });
    const fedToo = assert.rejects(feed(exec), isFailedPrecondition);
    await exec.start();
    await fedToo;
    assert.equal((await exec.delete()).exitStatus, 7);
  });

  it("append to a file what they and their further processes write", async () => {
    const stdout = bed.path();
    const { task } = await bed.started(["echo", "first"], { io: fileIO({ stdout }) });
    await task.wait();
    await task.delete();
    const { task: other } = await bed.started(["sleep", "1000"]);
    const exec = await other.exec("e", ["echo", "second"], { io: fileIO({ stdout }) });
    await exec.start();
    await exec.wait();
    await exec.delete();
    assert.equal(await readFile(stdout, "utf8"), "first\nsecond\n");
  });

  it("refuse files that are not there, and nothing is made", async () => {
    const container = await bed.container(["true"]);
    const missing = `${bed.path()}/nowhere`;
    const io = {
      open: async (context: IOContext) => ({
        ...(await nullIO().open(context)),
        request: { stdin: "", stdout: missing, stderr: missing, terminal: false },
      }),
    };
    await assert.rejects(container.newTask({ io }), /opening file .*nowhere/);
    await assert.rejects(container.task(), isNotFound);
  });

  it("have a terminal when they are to", async () => {
    const container = await bed.container(["asker"], [withTerminal(true, { width: 80, height: 24 })]);
    const task = await container.newTask({ io: bed.pipes({ stdin: "pipe" }) });
    assert.ok(task.io.stdin && task.io.stdout);
    assert.equal(task.io.stderr, undefined);
    const output = text(task.io.stdout);
    await task.start();
    await task.resize({ width: 100, height: 40 });
    task.io.stdin.write("hello\n");
    assert.equal((await task.wait()).exitStatus, 5);
    await task.delete();
    assert.match(await output, /zhelloz\r\n/);
  });
}
