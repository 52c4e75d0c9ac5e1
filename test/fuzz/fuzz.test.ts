import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fuzz } from "./fuzz.js";

describe("archives made by chance", () => {
  const programs = { reader: "read", extractor: "unpacked", importer: "imported" } as const;
  // Always the same, so that a run says something of a change; `npm run test:fuzz` takes others, and many more.
  const cases = { reader: 4000, extractor: 3000, importer: 300 } as const;
  const seed = 1;
  for (const program of ["reader", "extractor", "importer"] as const) {
    const skip = program === "extractor" && process.platform !== "linux";
    it(`are ${programs[program]} or refused in our own words, in little memory, and lead nowhere else`, {
      skip,
    }, async () => {
      const outcome = await fuzz(program, seed, cases[program]);
      assert.deepEqual(outcome.faults, []);
      assert.equal(outcome.cases, cases[program]);
      assert.ok(outcome.accepted > 0 && Object.keys(outcome.refused).length >= 3, JSON.stringify(outcome));
      assert.ok(outcome.peakRssMiB < 128, `${outcome.peakRssMiB} MiB`);
    });
  }
});
