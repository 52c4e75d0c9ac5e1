import { setTimeout as sleep } from "node:timers/promises";
import type { FaultCases } from "./case.js";
import { type Checkpointer, library } from "./checkpointer.js";
import { randomFrom } from "./random.js";
import type { Scene } from "./scene.js";

const HANG_MS = 5_000;

/** What is tried, and what is wanted. */
export interface Aborts {
  readonly cases: number;
  /** How soon the call is over once its caller wants it to be. */
  readonly settlesMs: number;
  readonly by?: Checkpointer;
  readonly seed?: number;
}

/** Ends a checkpoint by signal or deadline at a random moment. The call ends at once, the task runs, nothing is left. */
export async function* abort(scene: Scene, aborts: Aborts): FaultCases {
  const { cases, settlesMs, by = library, seed = Date.now() } = aborts;
  const random = randomFrom(seed);
  for (let nth = 1; nth <= cases; nth++) {
    const ref = scene.fresh("cp");
    const before = await scene.auditor.inventory();
    const afterMs = random() * 200;
    const byDeadline = random() < 0.5;
    const why = new Error("changed my mind");
    const stop = new AbortController();
    const troubles: string[] = [];
    const manner = byDeadline ? { timeoutMs: Math.ceil(afterMs) } : { signal: stop.signal };
    const attempt = by.make(scene, ref, manner);
    await sleep(afterMs);
    const endedAt = performance.now();
    stop.abort(why);
    const settled = await Promise.race([attempt, sleep(HANG_MS, "hangs", { ref: false })]);
    const tookMs = performance.now() - endedAt;
    if (settled === "hangs") troubles.push(`it has not settled ${HANG_MS} ms after its end`);
    else if (tookMs > settlesMs) troubles.push(`it settled ${tookMs.toFixed(0)} ms after its end`);
    const failure = await attempt;
    if (failure !== why) troubles.push(...by.wrong(failure));
    if (failure === undefined) await scene.auditor.ctr("images", "rm", "--sync", ref);
    const stuck = await scene.trouble(0);
    if (stuck !== undefined) {
      troubles.push(stuck);
      await scene.renew();
    }
    troubles.push(...(await scene.auditor.residue(before)).map((what) => `left behind: ${what}`));
    const how = `${byDeadline ? "deadline" : "abort"} after ${afterMs.toFixed(0)} ms, over ${tookMs.toFixed(0)} ms later`;
    yield { name: `${how} (seed ${seed}, ${nth})`, troubles };
  }
}
