import type { FiguredLine } from "./figures.js";
import type { Goal } from "./row.js";
import type { Spread } from "./statistics.js";

const HEAD = ["what", "ours", "peer", "theirs", "ratio", "must be", "met", "n"];

/** The lines as a table in Markdown, which is also wide enough to be read as it is. */
export function tableText(lines: readonly FiguredLine[]): string {
  const rows = [HEAD, ...lines.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const [head = "", ...body] = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  return [head, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...body].join("\n");
}

function cellsOf({ what, unit, ours, peer, theirs, ratio, goal, met, samples }: FiguredLine): string[] {
  return [
    `${what}, ${unit}`,
    spreadText(ours),
    peer ?? "",
    theirs === undefined ? (peer === undefined ? "" : "not to be had") : spreadText(theirs),
    ratio === undefined ? "" : `${figure(ratio.median)} (${figure(ratio.least)}–${figure(ratio.most)})`,
    goal === undefined ? "" : goalText(goal),
    met === undefined ? "" : met ? "yes" : "NO",
    String(samples.ours.length),
  ];
}

function goalText({ of, sign, bound }: Goal): string {
  return of === "ratio" ? `${sign} ${bound}×` : `${sign} ${bound}`;
}

function spreadText({ median, least, most }: Spread): string {
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`;
}

/** Three digits are more than the measurements are worth. */
function figure(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2);
}
