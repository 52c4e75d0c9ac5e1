import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Container } from "containerd-client";
import type { Bench } from "./bench.js";
import { discard, requireMemory, startKeeper } from "./containers.js";
import { interleaved, type Measured } from "./measured.js";
import { PauseWatch } from "./pause-watch.js";

/** The lines a case adds figures to. */
export interface CheckpointLines {
  readonly wall: string;
  readonly paused: string;
  /** The pause of a dump into a directory by three calls and nothing else: what no client can do without. */
  readonly floor?: string | undefined;
  readonly calls: string;
  readonly restoreWall: string;
  readonly restoreCalls: string;
}

/** Who checkpoints beside us. */
export const CTR = "ctr";

const COUNTED = 2;

const everybody = ["ours", "ctr"] as const;
const whose = { ours: undefined, ctr: CTR } as const;

/** A container with so much in its memory is checkpointed and restored by whole processes, ours and `ctr`, in turns. */
export async function runCheckpointCase(
  bench: Bench,
  id: string,
  mebibytes: number,
  rounds: { readonly checkpoint: number; readonly restore: number },
  lines: CheckpointLines,
): Promise<void> {
  const container = await startKeeper(bench, id, mebibytes);
  const checkpoint = (address?: string) => checkpointing(bench, id, address);
  const restore = (address?: string) => ({
    ours: (ref: string) => bench.ours("restore", [id, ref], address),
    ctr: (ref: string) => bench.ctr(["containers", "restore", "--live", "--rw", id, ref], {}, address),
  });
  await measurePauses(bench, container, rounds.checkpoint, lines);
  for (let counted = 0; counted < COUNTED; counted += 1) {
    for (const who of everybody) {
      if (counted > 0) await forgetImage(bench, `cp:${who}`);
      const { calls } = await bench.count((address) => checkpoint(address)[who](`cp:${who}`));
      bench.figures.add(lines.calls, calls, whose[who]);
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
  const way = (who: Side) => async () => {
    const { wallMs } = await restore()[who]("cp:ctr");
    bench.figures.add(lines.restoreWall, wallMs, whose[who]);
    await discard(await bench.client.containers.get(id));
    await clear(bench.daemonTemporary);
  };
  await interleaved(rounds.restore, everybody.map(way));
  for (const who of everybody) await forgetImage(bench, `cp:${who}`);
}

/** A container is checkpointed by whole processes, ours and `ctr`, in turns; and, for the floor, by the three calls there must be. */
export async function measurePauses(
  bench: Bench,
  container: Container,
  rounds: number,
  lines: Pick<CheckpointLines, "wall" | "paused" | "floor">,
): Promise<void> {
  const { id } = container;
  await using pauses = await PauseWatch.start(bench.client);
  const way = (who: Side) => async () => {
    const { wallMs } = await checkpointing(bench, id)[who](`cp:${who}`);
    const pausedMs = await pauses.next(id);
    bench.figures.add(lines.wall, wallMs, whose[who]);
    bench.figures.add(lines.paused, pausedMs, whose[who]);
    if (lines.floor !== undefined && who === "ctr") bench.figures.add(lines.floor, pausedMs, CTR);
    await forgetImage(bench, `cp:${who}`);
  };
  const ways = everybody.map(way);
  const { floor } = lines;
  if (floor !== undefined) {
    const task = await container.task();
    const imagePath = join(bench.directory, "dump");
    ways.push(async () => {
      await task.freeze();
      await task.checkpoint({ imagePath });
      await task.resume();
      bench.figures.add(floor, await pauses.next(id));
      await rm(imagePath, { recursive: true });
    });
  }
  await interleaved(rounds, ways);
}

type Side = "ours" | "ctr";

function checkpointing(bench: Bench, id: string, address?: string): Record<Side, (ref: string) => Promise<Measured>> {
  return {
    ours: (ref) => bench.ours("checkpoint", [id, ref], address),
    ctr: (ref) => bench.ctr(["containers", "checkpoint", "--image", "--rw", "--task", id, ref], {}, address),
  };
}

/** What the daemon kept is gone when this resolves, so that nobody finds it there the next time. */
async function forgetImage(bench: Bench, ref: string): Promise<void> {
  await bench.client.images.delete(ref, { sync: true });
}

/** Takes away what a restore left there, or the next one would be slower for it. */
async function clear(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}
