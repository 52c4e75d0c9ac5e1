import { blobFile, withBlob, withLease } from "../blobs.js";
import { interleaved } from "../measured.js";
import { below, type Row } from "../row.js";

const LOCAL_RSS = "RSS growth, reading 4 GiB, local provider";
const LOCAL_LOOP = "event-loop delay p99, reading, local provider";
const READ_RSS = "RSS growth, reading 4 GiB over gRPC";
const WRITE_RSS = "RSS growth, writing 4 GiB";
const READ_LOOP = "event-loop delay p99, reading over gRPC";
const WRITE_LOOP = "event-loop delay p99, writing";
const IDLE_LOOP = "event-loop delay p99 of an idle process (this machine's own)";
const GO = "Go";

/** What long streams do to the process: its memory, and all else that waits for its event loop. */
export const streaming: Row = {
  name: "streaming",
  lines: [
    { what: READ_RSS, unit: "MiB", peer: GO, goal: below(64) },
    { what: LOCAL_RSS, unit: "MiB", peer: GO, goal: below(64) },
    { what: WRITE_RSS, unit: "MiB", goal: below(64) },
    { what: READ_LOOP, unit: "ms", goal: below(20) },
    { what: LOCAL_LOOP, unit: "ms", goal: below(20) },
    { what: WRITE_LOOP, unit: "ms", goal: below(20) },
    { what: IDLE_LOOP, unit: "ms" },
  ],
  async run(bench) {
    const mebibytes = bench.mebibytes(4096, 128);
    await withBlob(bench, mebibytes, async ({ digest, size }) => {
      const ours = async () => {
        for (const [how, growth, loop] of [
          ["wire", READ_RSS, READ_LOOP],
          ["file", LOCAL_RSS, LOCAL_LOOP],
        ] as const) {
          const { output } = await bench.ours("read", [digest, String(size), how]);
          bench.figures.add(growth, output["grownMiB"] ?? Number.NaN);
          bench.figures.add(loop, output["loopP99Ms"] ?? Number.NaN);
        }
        const idle = await bench.ours("idle", [bench.quick ? "200" : "2000"]);
        bench.figures.add(IDLE_LOOP, idle.output["loopP99Ms"] ?? Number.NaN);
      };
      const go = async () => {
        const { output } = await bench.go("read", [digest]);
        for (const growth of [READ_RSS, LOCAL_RSS]) bench.figures.add(growth, output["grownMiB"] ?? Number.NaN, GO);
      };
      await interleaved(bench.rounds(3), bench.hasGo ? [ours, go] : [ours]);
    });
    const { path, digest, size } = await blobFile(bench, mebibytes);
    await withLease(bench, async ({ id }) => {
      const { output } = await bench.ours("write", [path, digest, String(size), id, "told"]);
      bench.figures.add(WRITE_RSS, output["grownMiB"] ?? Number.NaN);
      bench.figures.add(WRITE_LOOP, output["loopP99Ms"] ?? Number.NaN);
    });
  },
};
