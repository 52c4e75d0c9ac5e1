import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "./bench.js";
import { discard, requireMemory, startKeeper } from "./containers.js";
import { interleaved } from "./measured.js";
import { PauseWatch } from "./pause-watch.js";

/** The lines a case adds figures to. */
export interface CheckpointLines {
  readonly wall: string;
  readonly paused: string;
  readonly calls: string;
  readonly restoreWall: string;
  readonly restoreCalls: string;
}

/** Who checkpoints beside us. */
export const CTR = "ctr";

const COUNTED = 2;

/** A container with so much in its memory is checkpointed and restored by whole processes, ours and `ctr`, in turns. */
export async function runCheckpointCase(
  bench: Bench,
  id: string,
  mebibytes: number,
  rounds: { readonly checkpoint: number; readonly restore: number },
  lines: CheckpointLines,
): Promise<void> {
  const container = await startKeeper(bench, id, mebibytes);
  const checkpoint = (address?: string) => ({
    ours: (ref: string) => bench.ours("checkpoint", [id, ref], address),
    ctr: (ref: string) => bench.ctr(["containers", "checkpoint", "--image", "--rw", "--task", id, ref], {}, address),
  });
  const restore = (address?: string) => ({
    ours: (ref: string) => bench.ours("restore", [id, ref], address),
    ctr: (ref: string) => bench.ctr(["containers", "restore", "--live", "--rw", id, ref], {}, address),
  });
  const whose = { ours: undefined, ctr: CTR } as const;
  const everybody = ["ours", "ctr"] as const;
  {
    await using pauses = await PauseWatch.start(bench.client);
    const way = (who: "ours" | "ctr") => async () => {
      const { wallMs } = await checkpoint()[who](`cp:${who}`);
      bench.figures.add(lines.wall, wallMs, whose[who]);
      bench.figures.add(lines.paused, await pauses.next(id), whose[who]);
      await forgetImage(bench, `cp:${who}`);
    };
    await interleaved(rounds.checkpoint, everybody.map(way));
    for (let counted = 0; counted < COUNTED; counted += 1) {
      for (const who of everybody) {
        if (counted > 0) await forgetImage(bench, `cp:${who}`);
        const { calls } = await bench.count((address) => checkpoint(address)[who](`cp:${who}`));
        bench.figures.add(lines.calls, calls, whose[who]);
      }
    }
  }
  await discard(container);
  // Each thaws what the other froze, and its own: what was measured above is a checkpoint only if it thaws.
  for (const ref of ["cp:ours", "cp:ctr"]) {
    for (const who of everybody) {
      const { calls } = await bench.count((address) => restore(address)[who](ref));
      bench.figures.add(lines.restoreCalls, calls, whose[who]);
      const thawed = await bench.client.containers.get(id);
      await requireMemory(thawed);
      await discard(thawed);
      await clear(bench.daemonTemporary);
    }
  }
  const way = (who: "ours" | "ctr") => async () => {
    const { wallMs } = await restore()[who]("cp:ctr");
    bench.figures.add(lines.restoreWall, wallMs, whose[who]);
    await discard(await bench.client.containers.get(id));
    await clear(bench.daemonTemporary);
  };
  await interleaved(rounds.restore, everybody.map(way));
  for (const who of everybody) await forgetImage(bench, `cp:${who}`);
}

/** What the daemon kept is gone when this resolves, so that nobody finds it there the next time. */
async function forgetImage(bench: Bench, ref: string): Promise<void> {
  await bench.client.images.delete(ref, { sync: true });
}

/** Takes away what a restore left there, or the next one would be slower for it. */
async function clear(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}
