import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isContainerdError } from "../../src/index.js";
import { type FaultCases, untyped } from "./case.js";
import { clientThrough, randomCut } from "./cut.js";
import { CuttingRelay } from "./cutting-relay.js";
import { randomFrom } from "./random.js";
import type { Scene } from "./scene.js";

const DEADLINE_MS = 5_000;
const HANG_MS = 30_000;
const RUNNING_MS = 2_000;
const STRAY = "containerd's temporary directory";

/**
 * Cuts the connection after some byte of a whole checkpoint; who connects again is let through. The call ends, what it says it
 * did is done, and the task runs.
 */
export async function* cutCheckpoint(scene: Scene, cases: number, seed: number = Date.now()): FaultCases {
  const random = randomFrom(seed);
  const { auditor } = scene;
  const address = join(scene.daemon.directory, `${scene.fresh("c")}.sock`);
  await using relay = await CuttingRelay.listen(address, scene.daemon.address);
  let passed: { readonly up: number; readonly down: number } | undefined;
  for (let nth = 0; nth <= cases; nth++) {
    const ref = scene.fresh("cp");
    const before = await auditor.inventory();
    const at = passed && randomCut(random, passed);
    relay.cutAt(at && { ...at, once: true });
    const client = clientThrough(relay, scene.client, at?.how);
    const hangs = new AbortController();
    const late = sleep(HANG_MS, "it hangs", { signal: hangs.signal }).catch(() => undefined);
    const container = await scene.client.containers.get(scene.container.id);
    let told: readonly string[] = [];
    const ended = (async () => {
      try {
        const there = await client.containers.get(container.id, { timeoutMs: DEADLINE_MS });
        await there.checkpoint(ref, [], { timeoutMs: DEADLINE_MS });
        const missing = await auditor.missingOf(ref);
        return missing === undefined || missing.length > 0 ? "a success that is none" : undefined;
      } catch (reason) {
        if (isContainerdError(reason)) told = reason.operation?.leftBehind ?? [];
        return untyped(reason)[0];
      }
    })();
    const trouble = await Promise.race([ended, late]);
    hangs.abort();
    passed ??= { ...relay.passed };
    const troubles = trouble === undefined ? [] : [trouble];
    const stuck = await scene.trouble(RUNNING_MS);
    if (stuck !== undefined) troubles.push(stuck);
    await client.close();
    const missing = await auditor.missingOf(ref);
    if (missing !== undefined && missing.length > 0) troubles.push(`${ref} is half an image`);
    if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
    await scene.client.sweep();
    const residue = await auditor.residue(before);
    // What a daemon left that is reached by TCP can only be told.
    const isTold = (what: string) =>
      what.startsWith("temporary directories: ") && told.some((one) => one.includes(STRAY));
    troubles.push(...residue.filter((what) => !isTold(what)).map((what) => `left behind: ${what}`));
    const where = at === undefined ? "uncut" : `${at.how} at byte ${at.byte} ${at.direction}`;
    yield { name: `checkpoint, ${where} (seed ${seed}, ${nth})`, troubles };
    if (stuck !== undefined) await scene.renew();
  }
}
