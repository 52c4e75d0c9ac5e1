import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CallOptions } from "../../src/call-options.js";
import { remember } from "../../src/client/remembered.js";
import type { Services } from "../../src/client/services.js";
import { DeadlineExceededError, UnavailableError } from "../../src/errors.js";

describe("what a daemon is asked once for all", () => {
  const services = () => ({ introspection: {} }) as Services;

  it("is not given up for those who wait when the first one leaves", async () => {
    const daemon = services();
    const leaving = new AbortController();
    const asked: CallOptions[] = [];
    let answer: ((words: string) => void) | undefined;
    const ask = (call: CallOptions): Promise<string> => {
      asked.push(call);
      return new Promise((resolve) => {
        answer = resolve;
      });
    };
    const first = remember(daemon, "key", { signal: leaving.signal, timeoutMs: 5 }, ask);
    const second = remember(daemon, "key", {}, ask);
    const third = remember(daemon, "key", { timeoutMs: 5 }, ask);
    const reason = new Error("the first one leaves");
    leaving.abort(reason);
    await assert.rejects(first, (error) => error === reason);
    await assert.rejects(third, DeadlineExceededError);
    answer?.("2.1");
    assert.equal(await second, "2.1");
    assert.equal(await remember(daemon, "key", {}, ask), "2.1");
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.signal, undefined);
  });

  it("is asked again after it failed", async () => {
    const daemon = services();
    const failing = remember(daemon, "key", {}, () => Promise.reject(new UnavailableError("gone")));
    await assert.rejects(failing, UnavailableError);
    assert.equal(await remember(daemon, "key", {}, async () => "back"), "back");
  });
});
