import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CleanUp } from "../../src/client/clean-up.js";
import {
  AlreadyExistsError,
  DeadlineExceededError,
  FailedPreconditionError,
  UnavailableError,
} from "../../src/errors.js";

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

describe("what was being made when the work was given up", { timeout: 20_000 }, () => {
  const reason = new Error("given up");

  /** Work of two things and what holds them, given up while the daemon is silent about the second. */
  async function givenUp(): Promise<{ cleanUp: CleanUp; undone: string[]; answer: PromiseWithResolvers }> {
    const undone: string[] = [];
    const undo = (what: string) => async () => void undone.push(what);
    const cleanUp = new CleanUp({ tryMs: 1, laterRestMs: 5 });
    await cleanUp.hold("lease", async () => {}, undo("lease"));
    await cleanUp.make("snapshot", async () => {}, undo("snapshot"));
    const answer = promiseWithResolvers();
    const caller = new AbortController();
    const making = cleanUp.make("container", () => answer.promise, undo("container"), caller.signal);
    caller.abort(reason);
    await assert.rejects(making, reason);
    return { cleanUp, undone, answer };
  }

  it("is undone with the rest when the answer comes soon", async () => {
    const { cleanUp, undone, answer } = await givenUp();
    setTimeout(() => answer.resolve(), 10);
    assert.deepEqual(await cleanUp.run(true), []);
    assert.deepEqual(undone, ["container", "snapshot", "lease"]);
  });

  it("is undone when the answer comes at last, and only then what holds it", async () => {
    const { cleanUp, undone, answer } = await givenUp();
    const left = await cleanUp.run(true);
    assert.deepEqual(
      left.map((one) => one.split(":")[0]),
      ["container", "lease"],
    );
    await sleep(50);
    assert.deepEqual(undone, ["snapshot"]);
    answer.resolve();
    while (undone.length < 3) await sleep(5);
    assert.deepEqual(undone, ["snapshot", "container", "lease"]);
  });

  it("is undone when nobody will ever know whether it was made", async () => {
    const { cleanUp, undone, answer } = await givenUp();
    answer.reject(new UnavailableError("the connection broke"));
    assert.deepEqual(await cleanUp.run(true), []);
    assert.deepEqual(undone, ["container", "snapshot", "lease"]);
  });

  it("stays when somebody else had made it, however late that is known", async () => {
    for (const late of [false, true]) {
      const { cleanUp, undone, answer } = await givenUp();
      const refuse = () => answer.reject(new AlreadyExistsError("another's"));
      if (!late) refuse();
      await cleanUp.run(true);
      if (late) refuse();
      while (undone.length < 2) await sleep(5);
      assert.deepEqual(undone, ["snapshot", "lease"]);
    }
  });

  it("is tried again although the clock was set forward meanwhile", async (test) => {
    const now = Date.now.bind(Date);
    const cleanUp = new CleanUp({ tryMs: 10_000, laterRestMs: 5 });
    let tries = 0;
    cleanUp.onFailure("snapshot", async () => {
      test.mock.method(Date, "now", () => now() + 60 * 60 * 1000);
      if (++tries === 1) throw new UnavailableError("away");
    });
    assert.deepEqual(await cleanUp.run(true), []);
    assert.equal(tries, 2);
  });

  it("is tried again over what may be another connection when a try gets no answer", async () => {
    const cleanUp = new CleanUp({ tryMs: 10_000, laterRestMs: 5 });
    const tries: number[] = [];
    cleanUp.onFailure("snapshot", async ({ timeoutMs = 0 }) => {
      tries.push(timeoutMs);
      if (tries.length === 1) throw new DeadlineExceededError("no answer");
    });
    assert.deepEqual(await cleanUp.run(true), []);
    assert.equal(tries.length, 2);
    assert.ok((tries[0] ?? 0) < 10_000 / 2, "a first try leaves time for another");
  });
});

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

function promiseWithResolvers(): PromiseWithResolvers {
  let resolve = (): void => {};
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<void>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve, reject };
}
