import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Figures } from "../../bench/figures.js";
import { atLeast, atMost, below, fewer, type Goal, type Line } from "../../bench/row.js";
import { rows } from "../../bench/rows.js";
import { tableText } from "../../bench/table.js";

function metBy(goal: Goal, ours: number, theirs: number): boolean | undefined {
  const figures = new Figures();
  figures.add("reading", ours);
  figures.add("reading", theirs, "peer");
  return figures.of([{ what: "reading", unit: "ms", peer: "peer", goal }])[0]?.met;
}

describe("the table of the bench", () => {
  it("tells whether a goal is met, at its bound and beside it", () => {
    assert.equal(metBy(atLeast(0.9), 90, 100), true);
    assert.equal(metBy(atLeast(0.9), 89, 100), false);
    assert.equal(metBy(atMost(1.1), 110, 100), true);
    assert.equal(metBy(atMost(1.1), 111, 100), false);
    assert.equal(metBy(fewer, 19, 20), true);
    assert.equal(metBy(fewer, 20, 20), false);
    assert.equal(metBy(below(64), 63, 1), true);
    assert.equal(metBy(below(64), 64, 1000), false);
  });

  it("says nothing about a goal that is a ratio to nobody", () => {
    const figures = new Figures();
    figures.add("reading", 5);
    const lines: Line[] = [{ what: "reading", unit: "ms", peer: "Go", goal: atLeast(1) }];
    assert.equal(figures.of(lines)[0]?.met, undefined);
    assert.match(tableText(figures.of(lines)), /not to be had/);
  });

  it("asks of an own median without a peer, too", () => {
    const figures = new Figures();
    figures.add("growth", 12);
    assert.equal(figures.of([{ what: "growth", unit: "MiB", peer: "Go", goal: below(64) }])[0]?.met, true);
  });

  it("holds one line against several peers, and leaves out what was not measured", () => {
    const figures = new Figures();
    for (const value of [8, 10, 12]) figures.add("call", value);
    figures.add("call", 5, "Go");
    figures.add("call", 20, "ctr");
    const lines: Line[] = ["Go", "ctr"].map((peer) => ({ what: "call", unit: "ms", peer }));
    const figured = figures.of([...lines, { what: "nothing", unit: "ms" }]);
    assert.deepEqual(
      figured.map(({ peer, ratio, samples }) => [peer, ratio?.median, samples.ours]),
      [
        ["Go", 2, [8, 10, 12]],
        ["ctr", 0.5, [8, 10, 12]],
      ],
    );
  });

  it("refuses what is no figure", () => {
    assert.throws(() => new Figures().add("call", Number.NaN), /no figure/);
  });

  it("is Markdown with cells as wide as their columns", () => {
    const figures = new Figures();
    for (const value of [100, 250]) figures.add("read", value);
    figures.add("read", 50, "ctr");
    const text = tableText(figures.of([{ what: "read", unit: "MB/s", peer: "ctr", goal: atLeast(4) }]));
    const [head = "", rule = "", row = ""] = text.split("\n");
    assert.deepEqual(
      row.split("|").map((cell) => cell.trim()),
      ["", "read, MB/s", "175 (100–250)", "ctr", "50", "3.50 (2–2)", "≥ 4×", "NO", "2", ""],
    );
    assert.equal(head.length, rule.length);
    assert.equal(head.length, row.length);
  });

  it("has a name for each row and no line twice", () => {
    const names = rows.map(({ name }) => name);
    assert.deepEqual([...new Set(names)], names);
    const lines = rows.flatMap((row) => row.lines.map(({ what, peer }) => `${what} | ${peer ?? ""}`));
    assert.deepEqual([...new Set(lines)], lines);
  });
});
