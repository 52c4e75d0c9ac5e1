import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fuzz } from "./fuzz.js";

describe("archives made by chance", () => {
  it("are read or refused in our own words, in little memory, and lead nowhere else", async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const outcome = await fuzz(seed, 20_000, 20);
    assert.deepEqual(outcome.faults, [], `seed ${seed}`);
    assert.ok(outcome.cases > 200, `${outcome.cases} cases`);
    assert.ok(outcome.accepted > 0 && Object.keys(outcome.refused).length >= 3, JSON.stringify(outcome));
    assert.ok(outcome.peakRssMiB < 128, `${outcome.peakRssMiB} MiB, seed ${seed}`);
  });
});
