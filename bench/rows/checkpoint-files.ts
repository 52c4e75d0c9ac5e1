import { CTR, measurePauses } from "../checkpoint-case.js";
import { discard, startSleeper } from "../containers.js";
import { atMost, type Row } from "../row.js";

const lines = {
  wall: "checkpoint, idle shell of an image with 5,000 files: wall, whole process",
  paused: "checkpoint, idle shell of an image with 5,000 files: time paused",
};

/** A checkpoint in which hardly anything is, of a container over files as images have them. */
export const checkpointFiles: Row = {
  name: "checkpoint-files",
  lines: [
    { what: lines.wall, unit: "ms", peer: CTR },
    { what: lines.paused, unit: "ms", peer: CTR, goal: atMost(0.7) },
  ],
  async run(bench) {
    const container = await startSleeper(bench, "files", bench.quick ? 100 : 5000);
    await measurePauses(bench, container, bench.rounds(11), lines);
    await discard(container);
  },
};
