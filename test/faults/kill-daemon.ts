import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/index.js";
import { BoundaryRelay } from "./boundary-relay.js";
import { type FaultCases, type Share, untyped } from "./case.js";
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
    let missing: string[] | undefined;
    const { fired, troubles } = await withoutDaemon(scene, nth, goneMs, {
      act: async (address) => by.wrong(await by.make(scene, ref, { address })),
      judge: async () => {
        missing = await auditor.missingOf(ref);
        return missing !== undefined && missing.length > 0 ? [`${ref} is half an image`] : [];
      },
      tidy: async () => {
        await by.tidy(scene);
        if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
      },
    });
    yield { name: `daemon killed at boundary ${nth}, back after ${goneMs} ms`, troubles };
    if (!fired) return;
    if (troubles.length > 0) await scene.renew();
  }
}

/** The same during a restore beside the living original: what it says it made runs, and what it does not is gone. */
export async function* killDaemonInRestore(scene: Scene, goneMs: number, { at, of }: Share): FaultCases {
  const { auditor, client } = scene;
  const ref = scene.fresh("frozen");
  await scene.container.checkpoint(ref);
  for (let nth = 1 + at; ; nth += of) {
    const id = scene.fresh("thawed");
    let failure: unknown;
    const { fired, troubles } = await withoutDaemon(scene, nth, goneMs, {
      act: async (address) => {
        failure = await restored(address, client.namespace, id, ref);
        return untyped(failure);
      },
      judge: async () => {
        const state = await auditor.taskState(id);
        return failure === undefined && state !== "RUNNING" ? [`what was thawed is ${state ?? "absent"}`] : [];
      },
      tidy: async () => {
        await auditor.discard(id);
        await library.tidy(scene);
      },
    });
    yield { name: `daemon killed at boundary ${nth} of a restore, back after ${goneMs} ms`, troubles };
    if (!fired) break;
    if (troubles.length > 0) await scene.renew();
  }
  await auditor.ctr("images", "rm", "--sync", ref);
}

/** Resolves to what it failed with; `undefined` when it did not. */
async function restored(address: string, namespace: string, id: string, ref: string): Promise<unknown> {
  try {
    await using client = await connect({ address, namespace });
    const container = await client.restore(id, ref);
    const task = await container.newTask({ checkpoint: ref });
    await task.start();
    return undefined;
  } catch (reason) {
    return reason;
  }
}

/** What is done while the daemon dies; what is wrong comes a line each. */
interface Deed {
  readonly act: (address: string) => Promise<string[]>;
  readonly judge: () => Promise<string[]>;
  readonly tidy: () => Promise<unknown>;
}

/** Has it done through a relay that kills the daemon at the n-th boundary; the daemon comes back after a while. */
async function withoutDaemon(
  scene: Scene,
  nth: number,
  goneMs: number,
  { act, judge, tidy }: Deed,
): Promise<{ readonly fired: boolean; readonly troubles: readonly string[] }> {
  const { auditor, daemon } = scene;
  const before = await auditor.inventory();
  const open = new Set(await auditor.leaksOf(scene.secret));
  let back: Promise<void> | undefined;
  const address = join(daemon.directory, `${scene.fresh("k")}.sock`);
  const relay = await BoundaryRelay.listen(address, daemon.address, async (count) => {
    if (count === nth) {
      const killed = daemon.kill();
      back = killed.then(() => restart(scene, goneMs));
      await killed;
    }
    return undefined;
  });
  const troubles = await act(address);
  await back;
  const stuck = await scene.trouble(RUNNING_AGAIN_MS);
  if (stuck !== undefined) troubles.push(stuck);
  await relay[Symbol.asyncDispose]();
  troubles.push(...(await judge()));
  for (const path of await auditor.leaksOf(scene.secret)) {
    if (!open.has(path)) troubles.push(`memory lies open in ${path}`);
  }
  await tidy();
  troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
  return { fired: back !== undefined, troubles };
}

async function restart(scene: Scene, goneMs: number): Promise<void> {
  await sleep(goneMs);
  await scene.daemon.start();
}
