import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { applyLayer } from "../../src/tree/apply-layer.js";
import { changesBetween } from "../../src/tree/changes.js";
import { writeLayer } from "../../src/tree/layer.js";
import { describeTree, perform, steps, treeBeds } from "./trees.js";

for (const [kind, make] of Object.entries(treeBeds)) {
  describe(`layers of trees ${kind}`, () => {
    it("bring everything back: a difference, applied to what it is a difference to, is the whole", async () => {
      await using bed = await make();
      const { volumes } = bed;
      let count = 0;
      const next = () => `abc-${++count}`;
      const property = fc.asyncProperty(steps, steps, async (before, after) => {
        const [lower, upper, again] = [next(), next(), next()];
        await volumes.create(lower, undefined);
        await perform(await volumes.open(lower), before);
        await volumes.create(upper, lower);
        await volumes.create(again, lower);
        const [old, whole, copy] = await Promise.all([lower, upper, again].map((id) => volumes.open(id)));
        assert.ok(old && whole && copy);
        const untouched = await describeTree(old);
        await perform(whole, after);
        await applyLayer(copy, writeLayer(old, whole));
        const expected = await describeTree(whole);
        assert.deepEqual(await describeTree(copy), expected);
        assert.deepEqual(await changesBetween(whole, copy), []);
        assert.deepEqual(await describeTree(old), untouched);
        const reopened = await bed.reopened()?.open(upper);
        if (reopened !== undefined) assert.deepEqual(await describeTree(reopened), expected);
        for (const id of [upper, again, lower]) await volumes.remove(id);
      });
      await fc.assert(property, { numRuns: kind === "in directories" ? 25 : 200 });
    });
  });
}
