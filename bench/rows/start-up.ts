import { resolve } from "node:path";
import { interleaved } from "../measured.js";
import { atMost, type Row } from "../row.js";

const FIRST = "import and first call, process start to end";
const ALL = "import of every entry, process start to end";
const NODE = "node -e 0";
const CTR = "ctr version";
const BEFORE = "an earlier build";
const GO = "Go, one call";

/** What a script pays before it does anything. */
export const startUp: Row = {
  name: "start-up",
  lines: [
    { what: FIRST, unit: "ms", peer: CTR },
    { what: FIRST, unit: "ms", peer: GO },
    { what: FIRST, unit: "ms", peer: NODE },
    { what: FIRST, unit: "ms", peer: BEFORE, goal: atMost(0.5) },
    { what: ALL, unit: "ms", peer: NODE },
  ],
  async run(bench) {
    const ways: (() => Promise<void>)[] = [
      async () => bench.figures.add(FIRST, (await bench.ours("call", [])).wallMs),
      async () => bench.figures.add(FIRST, (await bench.ctr(["version"])).wallMs, CTR),
      async () => bench.figures.add(ALL, (await bench.ours("import-all", [])).wallMs),
      async () => {
        const { wallMs } = await bench.run(process.execPath, ["-e", "0"]);
        for (const what of [FIRST, ALL]) bench.figures.add(what, wallMs, NODE);
      },
    ];
    const { before } = bench;
    if (before !== undefined) {
      ways.push(async () => bench.figures.add(FIRST, (await bench.ours("call", [resolve(before)])).wallMs, BEFORE));
    }
    if (bench.hasGo) ways.push(async () => bench.figures.add(FIRST, (await bench.go("call", [])).wallMs, GO));
    await interleaved(bench.rounds(21), ways);
  },
};
