import { setTimeout as sleep } from "node:timers/promises";
import { type FaultCases, untyped } from "./case.js";
import { randomFrom } from "./random.js";
import type { Scene } from "./scene.js";

const CLEAN_MS = 5_000;

/** Ends a checkpoint by signal or deadline at a random moment. The call ends at once, the task runs, nothing is left. */
export async function* abort(scene: Scene, cases: number, seed: number = Date.now()): FaultCases {
  const random = randomFrom(seed);
  const before = await scene.auditor.inventory();
  for (let nth = 1; nth <= cases; nth++) {
    const ref = scene.fresh("cp");
    const afterMs = random() * 200;
    const byDeadline = random() < 0.5;
    const why = new Error("changed my mind");
    const stop = new AbortController();
    const troubles: string[] = [];
    const attempt = scene.container
      .checkpoint(ref, [], byDeadline ? { timeoutMs: Math.ceil(afterMs) } : { signal: stop.signal })
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    await sleep(afterMs);
    stop.abort(why);
    const settled = await Promise.race([attempt, sleep(CLEAN_MS, "hangs")]);
    if (settled === "hangs") troubles.push(`it has not settled ${CLEAN_MS} ms after its end`);
    const failure = await attempt;
    if (failure !== why) troubles.push(...untyped(failure));
    if (failure === undefined) await scene.auditor.ctr("images", "rm", "--sync", ref);
    const stuck = await scene.trouble(0);
    if (stuck !== undefined) troubles.push(stuck);
    troubles.push(...(await scene.auditor.residue(before)).map((what) => `left behind: ${what}`));
    yield {
      name: `${byDeadline ? "deadline" : "abort"} after ${afterMs.toFixed(0)} ms (seed ${seed}, ${nth})`,
      troubles,
    };
  }
}
