/** Middle and spread of some measurements. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Middle and spread; there must be at least one number. */
export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const half = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2;
  return { median, least: at(0), most: at(sorted.length - 1) };
}

/** Measurements by what was measured and who did it. */
export class Table {
  readonly #peer: string;
  readonly #rows = new Map<string, Map<string, number[]>>();

  /** `peer` is who the others are compared with. */
  constructor(peer: string) {
    this.#peer = peer;
  }

  /** Adds one measurement. */
  add(row: string, who: string, value: number): void {
    const columns = this.#rows.get(row) ?? new Map<string, number[]>();
    this.#rows.set(row, columns);
    columns.set(who, [...(columns.get(who) ?? []), value]);
  }

  /** All rows, with the ratio of each median to that of the peer. */
  rows(): { row: string; who: string; n: number; spread: Spread; ratio: number | undefined }[] {
    return [...this.#rows].flatMap(([row, columns]) => {
      const peer = columns.get(this.#peer);
      return [...columns].map(([who, values]) => {
        const spread = spreadOf(values);
        const base = who === this.#peer || peer === undefined ? 0 : spreadOf(peer).median;
        const ratio = base === 0 ? undefined : spread.median / base;
        return { row, who, n: values.length, spread, ratio };
      });
    });
  }

  /** The rows as text to read. */
  text(): string {
    const cells = this.rows().map(({ row, who, n, spread, ratio }) => [
      row,
      who,
      spread.median.toFixed(1),
      `${spread.least.toFixed(1)}–${spread.most.toFixed(1)}`,
      String(n),
      ratio === undefined ? "" : ratio.toFixed(2),
    ]);
    const lines = [["row", "who", "median", "spread", "n", "ratio to peer"], ...cells];
    const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
    return lines
      .map((line) =>
        line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd(),
      )
      .join("\n");
  }
}
