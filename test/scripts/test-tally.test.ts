import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TestTally } from "../../scripts/test-tally.js";

const failedFor = (failureType: string): Error => Object.assign(new Error("failed"), { failureType });

describe("TestTally", () => {
  it("counts tests, not suites", () => {
    const tally = new TestTally();
    tally.add({ name: "a test", details: { type: undefined } }, true);
    tally.add({ name: "a suite", details: { type: "suite" } }, true);
    assert.equal(tally.summary(), "1 passed, 0 failed, 0 skipped");
  });

  it("counts a failed suite only when none of its tests tells of it", () => {
    const tally = new TestTally();
    tally.add({ name: "a test", details: { error: failedFor("testCodeFailure") } }, false);
    tally.add({ name: "its suite", details: { type: "suite", error: failedFor("subtestsFailed") } }, false);
    tally.add({ name: "a broken hook", details: { type: "suite", error: failedFor("hookFailed") } }, false);
    assert.deepEqual(tally.failed, ["a test", "a broken hook"]);
  });

  it("keeps why a test did not run, and takes none of them for passed", () => {
    const tally = new TestTally();
    tally.add({ name: "one", skip: "no daemon", details: {} }, true);
    tally.add({ name: "two", skip: "no daemon", details: { type: "suite" } }, true);
    tally.add({ name: "three", skip: true, details: {} }, true);
    tally.add({ name: "four", todo: true, details: {} }, false);
    assert.deepEqual(
      [...tally.skipped],
      [
        ["no daemon", ["one", "two"]],
        ["no reason given", ["three"]],
        ["still to do", ["four"]],
      ],
    );
    assert.equal(tally.summary(), "0 passed, 0 failed, 4 skipped");
  });
});
