import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CleanUp } from "../../src/client/clean-up.js";
import { FailedPreconditionError, UnavailableError } from "../../src/errors.js";

/** Fails like a daemon that is away, until it is back. */
class Away {
  isBack = false;
  readonly tried: string[] = [];
  readonly done: string[] = [];

  undo(what: string): () => Promise<void> {
    return async () => {
      this.tried.push(what);
      if (!this.isBack) throw new UnavailableError("nobody there");
      this.done.push(what);
    };
  }
}

describe("what could not be undone in time", { timeout: 10_000 }, () => {
  const patience = { tryMs: 1, laterRestMs: 5 };

  it("is undone when the daemon is back, in the same order, and was told as left behind", async () => {
    const daemon = new Away();
    const cleanUp = new CleanUp(patience);
    for (const what of ["lock on ref", "lock on container", "lease"]) cleanUp.atEnd(what, daemon.undo(what));
    const left = await cleanUp.run(false);
    assert.deepEqual(
      left.map((one) => one.split(":")[0]),
      ["lease", "lock on container", "lock on ref"],
    );
    while (daemon.tried.length < 6) await sleep(5);
    daemon.isBack = true;
    while (daemon.done.length < 3) await sleep(5);
    assert.deepEqual(daemon.done, ["lease", "lock on container", "lock on ref"]);
  });

  it("stays when the daemon will not, or when it is only for a failure", async () => {
    const daemon = new Away();
    const cleanUp = new CleanUp(patience);
    const tried: string[] = [];
    cleanUp.atEnd("kept", () => {
      tried.push("kept");
      return Promise.reject(new FailedPreconditionError("it must stay"));
    });
    cleanUp.atEnd("lease", daemon.undo("lease"));
    cleanUp.onFailure("snapshot", daemon.undo("snapshot"));
    assert.equal((await cleanUp.run(true)).length, 3);
    daemon.isBack = true;
    while (daemon.done.length < 1) await sleep(5);
    assert.deepEqual(daemon.done, ["lease"]);
    assert.deepEqual(tried, ["kept"]);
  });
});
