import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/index.js";
import { BoundaryRelay } from "./boundary-relay.js";
import { type FaultCases, untyped } from "./case.js";
import type { Scene } from "./scene.js";

const RUNNING_AGAIN_MS = 2_000;

/**
 * Kills the daemon at every boundary of a checkpoint's calls and starts it again after a while. The call must settle, typed;
 * two seconds after the daemon's return the task must run; no dump may lie around.
 */
export async function* killDaemon(scene: Scene, goneMs: number, step = 1): FaultCases {
  for (let nth = 1; ; nth += step) {
    const ref = scene.fresh("cp");
    const before = await scene.auditor.inventory();
    let back: Promise<void> | undefined;
    const address = join(scene.daemon.directory, `${scene.fresh("k")}.sock`);
    const relay = await BoundaryRelay.listen(address, scene.daemon.address, async (count) => {
      if (count === nth) {
        const killed = scene.daemon.kill();
        back = killed.then(() => restart(scene, goneMs));
        await killed;
      }
      return undefined;
    });
    const troubles = untyped(await attempt(scene, address, ref));
    await back;
    const stuck = await scene.trouble(RUNNING_AGAIN_MS);
    if (stuck !== undefined) troubles.push(stuck);
    await relay[Symbol.asyncDispose]();
    const missing = await scene.auditor.missingOf(ref);
    if (missing !== undefined && missing.length > 0) troubles.push(`${ref} is half an image`);
    for (const path of await scene.auditor.leaksOf(scene.secret)) troubles.push(`memory lies open in ${path}`);
    await scene.client.sweep();
    if (missing !== undefined) await scene.auditor.ctr("images", "rm", "--sync", ref);
    troubles.push(...(await scene.auditor.residue(before)).map((what) => `left behind: ${what}`));
    yield { name: `daemon killed at boundary ${nth}, back after ${goneMs} ms`, troubles };
    if (back === undefined) return;
    if (troubles.length > 0) await scene.renew();
  }
}

async function restart(scene: Scene, goneMs: number): Promise<void> {
  await sleep(goneMs);
  await scene.daemon.start();
}

/** What the checkpoint failed with; undefined when it did not. */
async function attempt(scene: Scene, address: string, ref: string): Promise<unknown> {
  try {
    await using client = await connect({ address, namespace: scene.client.namespace });
    const container = await client.containers.get(scene.container.id);
    await container.checkpoint(ref);
    return undefined;
  } catch (reason) {
    return reason;
  }
}
