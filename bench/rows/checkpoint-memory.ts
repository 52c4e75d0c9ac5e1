import { CTR, runCheckpointCase } from "../checkpoint-case.js";
import { atMost, fewer, type Row } from "../row.js";

const lines = {
  wall: "checkpoint, 300 MB: wall, whole process",
  paused: "checkpoint, 300 MB: time paused",
  calls: "checkpoint, 300 MB: calls",
  restoreWall: "restore, 300 MB: wall, whole process",
  restoreCalls: "restore, 300 MB: calls",
};

/** A checkpoint of some size. */
export const checkpointMemory: Row = {
  name: "checkpoint-300",
  lines: [
    { what: lines.wall, unit: "ms", peer: CTR, goal: atMost(1.25) },
    { what: lines.paused, unit: "ms", peer: CTR, goal: atMost(0.3) },
    { what: lines.calls, unit: "calls", peer: CTR, goal: fewer },
    { what: lines.restoreWall, unit: "ms", peer: CTR, goal: atMost(0.5) },
    { what: lines.restoreCalls, unit: "calls", peer: CTR, goal: fewer },
  ],
  async run(bench) {
    const rounds = { checkpoint: bench.rounds(11), restore: bench.rounds(7) };
    await runCheckpointCase(bench, "memory", bench.mebibytes(300, 32), rounds, lines);
  },
};
