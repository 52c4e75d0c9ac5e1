import { setTimeout as sleep } from "node:timers/promises";
import type { FaultCases } from "./case.js";
import { type Checkpointer, library } from "./checkpointer.js";
import type { Scene } from "./scene.js";

/** What a checkpoint is made with, below the daemon. */
export type Engine = "containerd-shim" | "runc" | "criu";

const MOST_WAIT_MS = 3_000;
const REPORTED_MS = 5_000;

/**
 * Kills the shim, runc or criu at some moment of a checkpoint. Afterwards the task either runs, or has exited and is
 * reported so; what the kernel and the shim disagree about is healed.
 */
export async function* killEngine(scene: Scene, engine: Engine, cases: number, by: Checkpointer = library): FaultCases {
  for (let nth = 1; nth <= cases; nth++) {
    const ref = scene.fresh("cp");
    const before = await scene.auditor.inventory();
    let over = false;
    const attempt = by.make(scene, ref);
    void attempt.then(() => {
      over = true;
    });
    const killed = await killWhenSeen(scene, engine, (nth * 7) % 40, () => over);
    const troubles = by.wrong(await attempt);
    await by.tidy(scene);
    const dead = await exited(scene);
    if (!dead) {
      const stuck = await scene.trouble(REPORTED_MS);
      if (stuck !== undefined) troubles.push(stuck);
    }
    const missing = await scene.auditor.missingOf(ref);
    if (missing !== undefined && missing.length > 0) troubles.push(`${ref} is half an image`);
    if (missing !== undefined) await scene.auditor.ctr("images", "rm", "--sync", ref);
    troubles.push(...(await scene.auditor.residue(before)).map((what) => `left behind: ${what}`));
    yield { name: `${engine} killed ${killed ? "" : "too late "}(${nth}), task ${dead ? "exited" : "runs"}`, troubles };
    if (dead || troubles.length > 0) await scene.renew();
  }
}

/** Waits for a process of that name, then `afterMs` more, and kills it. */
async function killWhenSeen(scene: Scene, engine: Engine, afterMs: number, over: () => boolean): Promise<boolean> {
  const deadline = Date.now() + MOST_WAIT_MS;
  while (!over() && Date.now() < deadline) {
    const [pid] = scene.auditor.processes(engine);
    if (pid === undefined) {
      await sleep(1);
      continue;
    }
    await sleep(afterMs);
    try {
      process.kill(pid, "SIGKILL");
      return true;
    } catch {
      // It had ended by itself: the next one, if another comes.
    }
  }
  return false;
}

/** Whether the task is gone and the daemon says so. */
async function exited(scene: Scene): Promise<boolean> {
  const deadline = Date.now() + REPORTED_MS;
  for (;;) {
    const state = await scene.auditor.taskState(scene.container.id);
    if (state === undefined || state === "STOPPED") return true;
    if (state === "RUNNING" || Date.now() > deadline) return false;
    await sleep(100);
  }
}
