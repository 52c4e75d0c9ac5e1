import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CallFailure } from "../../src/guardian/daemon-calls.js";
import { endPause, type Patience } from "../../src/guardian/end-pause.js";
import type { WatchedPause } from "../../src/guardian/messages.js";

const SHORT: Patience = { restMs: 20, eagerMs: 60_000, lateRestMs: 20, runsMs: 200, allMs: 60_000 };
const LONG: Patience = { ...SHORT, runsMs: 60_000 };

describe("a guardian whose daemon does not come back", { timeout: 20_000 }, () => {
  let directory: string;
  let path: string;
  let task: ChildProcess;
  let tries: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guardian-"));
    path = join(directory, "cgroup.freeze");
    task = spawn("sleep", ["60"], { stdio: "ignore" });
    tries = 0;
  });
  afterEach(async () => {
    if (task.exitCode === null && task.signalCode === null) {
      const gone = once(task, "exit");
      task.kill("SIGKILL");
      await gone;
    }
    await rm(directory, { recursive: true });
  });

  const silent = (): Promise<never> => {
    tries++;
    return Promise.reject(new CallFailure("nobody there"));
  };
  const pauseOf = (freezer: WatchedPause["freezer"]): WatchedPause => ({
    namespace: "any",
    containerId: "any",
    pid: task.pid ?? 0,
    intent: { lease: "any", id: "any", type: "ingests" },
    freezer,
  });
  const guard = (patience: Patience, isSeen = true) => {
    const freezer = isSeen ? ({ path, version: 2 } as const) : undefined;
    let over = false;
    const calls = { look: silent, resume: silent, stands: silent };
    const ended = endPause(calls, pauseOf(freezer), { certain: true, patience }).then(() => {
      over = true;
    });
    return { ended, isOver: () => over };
  };

  it("stays as long as the kernel holds the task, and leaves when it has let go of it", async () => {
    await writeFile(path, "1\n");
    const { ended, isOver } = guard(SHORT);
    while (tries < 30) await sleep(10);
    assert.equal(isOver(), false);
    await writeFile(path, "0\n");
    await ended;
  });

  it("leaves when the task's process is gone", async () => {
    await writeFile(path, "1\n");
    const { ended } = guard(LONG);
    while (tries < 5) await sleep(10);
    const gone = once(task, "exit");
    task.kill("SIGKILL");
    await gone;
    await ended;
  });

  it("leaves when the task's cgroup is gone", async () => {
    await guard(SHORT).ended;
    assert.ok(tries > 1);
  });

  it("leaves in the end where it cannot see the task", async () => {
    const { ended, isOver } = guard({ ...LONG, allMs: 400 }, false);
    while (tries < 8) await sleep(5);
    assert.equal(isOver(), false);
    await ended;
  });

  it("tries less often when it has tried for long", async () => {
    await writeFile(path, "1\n");
    await guard({ ...LONG, eagerMs: 0, lateRestMs: 150, allMs: 400 }).ended;
    assert.ok(tries <= 4, `it tried ${tries} times`);
  });
});

describe("a guardian whose pause is not to be ended any more", { timeout: 20_000 }, () => {
  const pause: WatchedPause = {
    namespace: "any",
    containerId: "any",
    pid: process.pid,
    intent: { lease: "any", id: "any", type: "ingests" },
  };
  /** A daemon with a task; what stands on the lease is asked of `stands`. */
  const daemon = (stands: () => Promise<boolean>) => {
    const seen = { paused: true, looks: 0, resumes: 0 };
    const calls = {
      look: async () => {
        seen.looks++;
        return { pid: process.pid, paused: seen.paused };
      },
      resume: async () => {
        seen.resumes++;
        seen.paused = false;
        return true;
      },
      stands,
    };
    return { seen, calls };
  };

  it("leaves the task paused when the lease does not speak of the pause", async () => {
    const { seen, calls } = daemon(async () => false);
    await endPause(calls, pause, { certain: false });
    assert.equal(seen.resumes, 0);
  });

  it("resumes the task when it does", async () => {
    const { seen, calls } = daemon(async () => true);
    await endPause(calls, pause, { certain: true });
    assert.equal(seen.resumes, 1);
  });

  it("leaves the next pause alone, which comes while it waits for a late one", async () => {
    let taken = false;
    const { seen, calls } = daemon(async () => !taken);
    seen.paused = false;
    const ended = endPause(calls, pause, { certain: false, patience: SHORT });
    while (seen.looks < 3) await sleep(5);
    taken = true;
    seen.paused = true;
    await ended;
    assert.equal(seen.resumes, 0);
  });

  it("ends when it is told that the task runs, and leaves the next pause alone", async () => {
    const { seen, calls } = daemon(async () => true);
    seen.paused = false;
    const over = new AbortController();
    const ended = endPause(calls, pause, { certain: false, over: over.signal, patience: LONG });
    while (seen.looks < 3) await sleep(5);
    over.abort();
    seen.paused = true;
    await ended;
    assert.equal(seen.resumes, 0);
  });

  it("does not count the hours by which a clock is set forward", async (test) => {
    const now = Date.now.bind(Date);
    let aheadMs = 0;
    test.mock.method(Date, "now", () => now() + aheadMs);
    const { seen, calls } = daemon(async () => true);
    let answers = false;
    const look = async () => {
      seen.looks++;
      if (!answers) throw new CallFailure("nobody there");
      return { pid: process.pid, paused: seen.paused };
    };
    const ended = endPause({ ...calls, look }, pause, { certain: true, patience: SHORT });
    while (seen.looks < 3) await sleep(5);
    aheadMs = 48 * 60 * 60 * 1000;
    while (seen.looks < 6) await sleep(5);
    answers = true;
    await ended;
    assert.equal(seen.resumes, 1);
  });
});
