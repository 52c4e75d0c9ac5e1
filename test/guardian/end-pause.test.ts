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
    const ended = endPause({ look: silent, resume: silent }, pauseOf(freezer), true, patience).then(() => {
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
