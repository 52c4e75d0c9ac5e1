import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** How a row ended, for one of the two. */
export interface FaultScore {
  readonly cases: number;
  readonly failed: number;
}

/** The scores of a release, by fault. */
type Scores = Record<string, { ours?: FaultScore; ctr?: FaultScore }>;

/** What rows of the table came to, in a file when there is one: the whole takes hours, and may be run piece by piece. */
export class FaultTable {
  readonly #file: string | undefined;
  readonly #release: string;
  readonly #own: Scores = {};

  constructor(release: string, file: string | undefined) {
    this.#release = release;
    this.#file = file;
  }

  /** Notes a score, at once: others may write to the same file. */
  add(fault: string, by: "ours" | "ctr", score: FaultScore): void {
    note(this.#own, fault, by, score);
    if (this.#file === undefined) return;
    const all = readAll(this.#file);
    const scores = all[this.#release] ?? {};
    note(scores, fault, by, score);
    writeFileSync(this.#file, `${JSON.stringify({ ...all, [this.#release]: scores }, undefined, 2)}\n`);
  }

  /** The table in Markdown, with all that the file has of this release; rows in that order. */
  text(order: readonly string[]): string {
    const scores = this.#file === undefined ? this.#own : (readAll(this.#file)[this.#release] ?? {});
    const cell = (score: FaultScore | undefined) => (score === undefined ? "" : `${score.failed} of ${score.cases}`);
    const rows = order
      .filter((fault) => scores[fault] !== undefined)
      .map((fault) => `| ${fault} | ${cell(scores[fault]?.ours)} | ${cell(scores[fault]?.ctr)} |`);
    return [`| fault (containerd ${this.#release}) | failed | failed, \`ctr\` |`, "|---|---|---|", ...rows].join("\n");
  }
}

function note(scores: Scores, fault: string, by: "ours" | "ctr", score: FaultScore): void {
  scores[fault] = { ...scores[fault], [by]: score };
}

function readAll(file: string): Record<string, Scores> {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, Scores>) : {};
}
