import { withBlob } from "../blobs.js";
import { interleaved } from "../measured.js";
import { atLeast, atMost, type Row } from "../row.js";

const ONE = "small call (Content.Info), one at a time, p50";
const MANY = "small calls (Content.Info), 64 in flight";
const GO = "Go";

/** Calls that cost nothing but the way. */
export const smallCalls: Row = {
  name: "small-calls",
  lines: [
    { what: ONE, unit: "µs", peer: GO, goal: atMost(1.7) },
    { what: MANY, unit: "calls/s", peer: GO, goal: atLeast(0.45) },
  ],
  async run(bench) {
    await withBlob(bench, 1, async ({ digest }) => {
      const args = [digest, bench.quick ? "500" : "3000"];
      const way = (peer?: string) => async () => {
        const { output } = await (peer === undefined ? bench.ours("small-calls", args) : bench.go("small-calls", args));
        bench.figures.add(ONE, output["p50Us"] ?? Number.NaN, peer);
        bench.figures.add(MANY, output["perSecond"] ?? Number.NaN, peer);
      };
      await interleaved(bench.rounds(7), bench.hasGo ? [way(), way(GO)] : [way()]);
    });
  },
};
