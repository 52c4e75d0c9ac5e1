import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainCriu } from "../../src/client/criu-log.js";
import { errorFor } from "../../src/errors.js";

const failed = errorFor("failed_precondition", "criu failed: type RESTORE errno 0");
const missing = "(00.038) 1: Error (criu/files-reg.c:2250): Can't open file root/open on restore: No such file";
const exited = "(00.039) Error (criu/cr-restore.c:1265): 7533 exited, status=1";
const killed = "(00.039) Error (criu/cr-restore.c:1273): 7533 killed by signal 9: Killed";
const ended = "(00.040) Error (criu/cr-restore.c:2240): Restoring FAILED.";

describe("what criu says of a failure", () => {
  for (const lines of [
    [missing, exited, ended],
    [exited, missing, ended],
    [missing, killed],
    [killed, ended, missing],
  ]) {
    it(`is the cause, in whatever order it is written: ${lines.map((line) => line.slice(-12)).join(" | ")}`, () => {
      const error = explainCriu(failed, lines);
      assert.ok(error.message.endsWith(`; criu says: ${missing}`), error.message);
      assert.deepEqual(error.criuLog, lines);
    });
  }

  it("is the last line when none tells of a cause", () => {
    assert.ok(explainCriu(failed, [exited, ended]).message.endsWith(ended));
  });

  it("is nothing without a log", () => {
    assert.equal(explainCriu(failed, []), failed);
  });
});
