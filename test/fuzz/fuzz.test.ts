import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fuzz } from "./fuzz.js";

describe("archives made by chance", () => {
  const programs = { reader: "read", extractor: "unpacked", importer: "imported" } as const;
  const seconds = { reader: 15, extractor: 15, importer: 8 } as const;
  for (const program of ["reader", "extractor", "importer"] as const) {
    const skip = program === "extractor" && process.platform !== "linux";
    it(`are ${programs[program]} or refused in our own words, in little memory, and lead nowhere else`, {
      skip,
    }, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const outcome = await fuzz(program, seed, 20_000, seconds[program]);
      assert.deepEqual(outcome.faults, [], `seed ${seed}`);
      assert.ok(outcome.cases > 200, `${outcome.cases} cases`);
      assert.ok(outcome.accepted > 0 && Object.keys(outcome.refused).length >= 3, JSON.stringify(outcome));
      assert.ok(outcome.peakRssMiB < 128, `${outcome.peakRssMiB} MiB, seed ${seed}`);
    });
  }
});
