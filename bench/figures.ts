import type { Goal, Line } from "./row.js";
import { ratioOf, type Spread, spreadOf } from "./statistics.js";

/** A line with its figures. */
export interface FiguredLine extends Line {
  readonly ours: Spread;
  /** Absent when the line has no peer, or its peer could not be had. */
  readonly theirs?: Spread | undefined;
  readonly ratio?: Spread | undefined;
  /** Absent when nothing is asked of the line, or what it is asked of could not be had. */
  readonly met?: boolean | undefined;
  readonly samples: { readonly ours: readonly number[]; readonly theirs: readonly number[] };
}

/** Measurements by what was measured and who did it. */
export class Figures {
  readonly #samples = new Map<string, number[]>();

  /** Adds one measurement; nobody named, it is ours. */
  add(what: string, value: number, peer?: string): void {
    if (!Number.isFinite(value)) throw new Error(`${what}, ${peer ?? "ours"}: ${value} is no figure`);
    const key = keyOf(what, peer);
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), value]);
  }

  /** The lines that we have figures of. */
  of(lines: readonly Line[]): FiguredLine[] {
    return lines.flatMap((line) => {
      const ours = this.#samples.get(keyOf(line.what, undefined));
      if (ours === undefined) return [];
      const theirs = line.peer === undefined ? [] : (this.#samples.get(keyOf(line.what, line.peer)) ?? []);
      const figured = { ...line, ours: spreadOf(ours), samples: { ours, theirs } };
      if (theirs.length === 0) return [{ ...figured, met: isMet(line.goal, spreadOf(ours), undefined) }];
      const ratio = ratioOf(ours, theirs);
      return [{ ...figured, theirs: spreadOf(theirs), ratio, met: isMet(line.goal, spreadOf(ours), ratio) }];
    });
  }
}

function isMet(goal: Goal | undefined, ours: Spread, ratio: Spread | undefined): boolean | undefined {
  const value = goal?.of === "median" ? ours.median : ratio?.median;
  if (goal === undefined || value === undefined) return undefined;
  if (goal.sign === "<") return value < goal.bound;
  return goal.sign === "≥" ? value >= goal.bound : value <= goal.bound;
}

function keyOf(what: string, peer: string | undefined): string {
  return JSON.stringify([what, peer ?? null]);
}
