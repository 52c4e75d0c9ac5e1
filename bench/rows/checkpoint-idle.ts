import { CTR, runCheckpointCase } from "../checkpoint-case.js";
import { atMost, fewer, type Row } from "../row.js";

const lines = {
  wall: "checkpoint, idle shell: wall, whole process",
  paused: "checkpoint, idle shell: time paused",
  floor: "pause, dump into a directory and resume an idle shell, three calls and no more: time paused",
  calls: "checkpoint, idle shell: calls",
  restoreWall: "restore, idle shell: wall, whole process",
  restoreCalls: "restore, idle shell: calls",
};

/** A checkpoint in which hardly anything is. */
export const checkpointIdle: Row = {
  name: "checkpoint-idle",
  lines: [
    { what: lines.wall, unit: "ms", peer: CTR, goal: atMost(1.1) },
    { what: lines.paused, unit: "ms", peer: CTR, goal: atMost(0.7) },
    { what: lines.floor, unit: "ms", peer: CTR },
    { what: lines.calls, unit: "calls", peer: CTR, goal: fewer },
    { what: lines.restoreWall, unit: "ms", peer: CTR },
    { what: lines.restoreCalls, unit: "calls", peer: CTR, goal: fewer },
  ],
  async run(bench) {
    const rounds = { checkpoint: bench.rounds(15), restore: bench.rounds(7) };
    await runCheckpointCase(bench, "idle", 0, rounds, lines);
  },
};
