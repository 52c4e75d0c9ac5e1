import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BoundaryRelay } from "./boundary-relay.js";
import type { FaultCases, Share } from "./case.js";
import { type Checkpointer, library } from "./checkpointer.js";
import type { Scene } from "./scene.js";

const RUNNING_AGAIN_MS = 2_000;

/**
 * Kills the daemon at every boundary of a checkpoint's calls and starts it again after a while. The call must settle, typed;
 * two seconds after the daemon's return the task must run; no dump may lie around.
 */
export async function* killDaemon(
  scene: Scene,
  goneMs: number,
  { at, of }: Share,
  by: Checkpointer = library,
): FaultCases {
  const { auditor } = scene;
  for (let nth = 1 + at; ; nth += of) {
    const ref = scene.fresh("cp");
    const before = await auditor.inventory();
    const open = new Set(await auditor.leaksOf(scene.secret));
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
    const troubles = by.wrong(await by.make(scene, ref, { address }));
    await back;
    const stuck = await scene.trouble(RUNNING_AGAIN_MS);
    if (stuck !== undefined) troubles.push(stuck);
    await relay[Symbol.asyncDispose]();
    const missing = await auditor.missingOf(ref);
    if (missing !== undefined && missing.length > 0) troubles.push(`${ref} is half an image`);
    for (const path of await auditor.leaksOf(scene.secret)) {
      if (!open.has(path)) troubles.push(`memory lies open in ${path}`);
    }
    await by.tidy(scene);
    if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
    troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
    yield { name: `daemon killed at boundary ${nth}, back after ${goneMs} ms`, troubles };
    if (back === undefined) return;
    if (troubles.length > 0) await scene.renew();
  }
}

async function restart(scene: Scene, goneMs: number): Promise<void> {
  await sleep(goneMs);
  await scene.daemon.start();
}
