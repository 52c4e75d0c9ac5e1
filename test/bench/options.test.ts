import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOptions } from "../../bench/options.js";

const known = ["read", "write"];

describe("what the bench is asked for", () => {
  it("is everything when nothing is said", () => {
    assert.deepEqual(parseOptions([], known), {
      quick: false,
      go: false,
      rounds: undefined,
      json: undefined,
      before: undefined,
      rows: [],
    });
  });

  it("is what is said", () => {
    const args = ["--quick", "write", "--go", "--rounds", "3", "--json", "a.json", "--before", "../old/dist"];
    assert.deepEqual(parseOptions(args, known), {
      quick: true,
      go: true,
      rounds: 3,
      json: "a.json",
      before: "../old/dist",
      rows: ["write"],
    });
  });

  it("is refused when there is no such row, number or option", () => {
    assert.throws(() => parseOptions(["reed"], known), /no row reed: expected read, write/);
    for (const rounds of ["0", "1.5", "many"]) {
      assert.throws(() => parseOptions(["--rounds", rounds], known), /expected a whole number from 1/);
    }
    assert.throws(() => parseOptions(["--slow"], known), /--slow/);
  });
});
