import type { Container } from "containerd-client";
import type { Bench } from "../bench.js";
import { discard, startSleeper } from "../containers.js";
import type { Row } from "../row.js";

const COUNTS = [1, 10, 100] as const;
const CTR = "ctr, one after the other";
const TIME = (count: number) => `checkpoint ${count} of ${count} by one process: time per checkpoint`;
const LOOP = (count: number) => `checkpoint ${count} of ${count} by one process: event-loop delay p99`;
const GROWTH = (count: number) => `checkpoint ${count} of ${count} by one process: RSS growth`;

/** What it costs to checkpoint everything on a machine. */
export const manyCheckpoints: Row = {
  name: "many-checkpoints",
  lines: COUNTS.flatMap((count) => [
    { what: TIME(count), unit: "ms" as const, peer: CTR },
    { what: LOOP(count), unit: "ms" as const },
    { what: GROWTH(count), unit: "MiB" as const },
  ]),
  async run(bench) {
    const counts = bench.quick ? COUNTS.slice(0, 2) : COUNTS;
    const containers: Container[] = [];
    try {
      for (const count of counts) {
        while (containers.length < count) containers.push(await startSleeper(bench, `many-${containers.length}`));
        const ids = containers.map(({ id }) => id);
        for (let round = 0; round < bench.rounds(count === 100 ? 1 : 3); round += 1) {
          const { output } = await bench.ours("checkpoint-many", ids);
          bench.figures.add(TIME(count), (output["ms"] ?? Number.NaN) / count);
          bench.figures.add(LOOP(count), output["loopP99Ms"] ?? Number.NaN);
          bench.figures.add(GROWTH(count), output["grownMiB"] ?? Number.NaN);
          await forget(bench, ids);
          bench.figures.add(TIME(count), (await byCtr(bench, ids)) / count, CTR);
          await forget(bench, ids);
        }
      }
    } finally {
      for (const container of containers) await discard(container);
    }
  },
};

async function byCtr(bench: Bench, ids: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  for (const id of ids) await bench.ctr(["containers", "checkpoint", "--image", "--rw", "--task", id, `cp:${id}`]);
  return performance.now() - startedAt;
}

/** Every checkpoint must be there, and then none. */
async function forget({ client }: Bench, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const image = await client.images.get(`cp:${id}`);
    const [whole] = await image.check();
    if (whole?.complete !== true) throw new Error(`cp:${id} is not whole`);
    await client.images.delete(image.name);
  }
  const lease = await client.leases.create();
  await client.leases.delete(lease, { sync: true });
}
