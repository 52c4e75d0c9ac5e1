import { rm } from "node:fs/promises";
import { join } from "node:path";
import { discard, startHolder } from "../containers.js";
import { below, type Row } from "../row.js";

const GIGABYTES = "a checkpoint of 4 GiB";
const RATE = (what: string) => `${GIGABYTES} ${what}`;
const GROWTH = (what: string) => `RSS growth, ${GIGABYTES} ${what}`;
const REF = "docker.io/library/large:1";
const WAYS = ["exported", "imported", "copied into a layout"] as const;

/** More than anybody's memory should have to hold. */
export const largeCheckpoint: Row = {
  name: "large-checkpoint",
  lines: [
    { what: RATE("made"), unit: "ms" },
    ...WAYS.flatMap((way) => [
      { what: RATE(way), unit: "MB/s" as const },
      { what: GROWTH(way), unit: "MiB" as const, goal: below(64) },
    ]),
  ],
  async run(bench) {
    const mebibytes = bench.mebibytes(4096, 128);
    const container = await startHolder(bench, "large", mebibytes);
    const { output } = await bench.ours("checkpoint-many", ["large"]);
    bench.figures.add(RATE("made"), output["ms"] ?? Number.NaN);
    await discard(container);
    const { target } = await bench.client.images.get("cp:large");
    await bench.client.images.create(REF, target);
    await bench.client.images.delete("cp:large");
    const archive = join(bench.directory, "large.tar");
    const layout = join(bench.directory, "large");
    const acts = [
      () => bench.ours("export", [REF, archive, "stream"]),
      async () => {
        await bench.client.images.delete(REF, { sync: true });
        return bench.ours("import", [archive]);
      },
      async () => {
        await rm(archive);
        return bench.ours("copy", [REF, layout]);
      },
    ];
    for (const [index, act] of acts.entries()) {
      const what = WAYS[index] ?? "";
      const { output: took } = await act();
      const { present: size } = await (await bench.client.images.get(REF)).usage();
      if (size < mebibytes * 1024 * 1024) throw new Error(`${what}: ${size} bytes, expected ${mebibytes} MiB`);
      bench.figures.add(RATE(what), size / 1000 / (took["ms"] ?? Number.NaN));
      bench.figures.add(GROWTH(what), took["grownMiB"] ?? Number.NaN);
    }
    await rm(layout, { recursive: true });
    await bench.client.images.delete(REF, { sync: true });
  },
};
