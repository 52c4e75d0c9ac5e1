import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { percentile, ratioOf, spreadOf } from "../../bench/statistics.js";

describe("statistics of the bench", () => {
  it("takes the middle of an odd number of figures, and the mean of the two middle ones of an even number", () => {
    assert.deepEqual(spreadOf([10, 9, 100]), { median: 10, least: 9, most: 100 });
    assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4 });
    assert.deepEqual(spreadOf([7]), { median: 7, least: 7, most: 7 });
  });

  it("leaves the figures in the order they came in", () => {
    const figures = [3, 1, 2];
    spreadOf(figures);
    percentile(figures, 0.5);
    assert.deepEqual(figures, [3, 1, 2]);
  });

  it("finds percentiles by rank", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.equal(percentile(hundred, 0.99), 99);
    assert.equal(percentile(hundred, 0.5), 50);
    assert.equal(percentile(hundred, 0), 1);
    assert.equal(percentile([5], 0.99), 5);
  });

  it("compares medians, and pairs that were measured together", () => {
    assert.deepEqual(ratioOf([2, 4, 6], [1, 4, 2]), { median: 2, least: 1, most: 3 });
    assert.deepEqual(ratioOf([2, 4], [1, 1, 1]), { median: 3, least: 2, most: 4 });
  });
});
