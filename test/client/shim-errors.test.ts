import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromShim, shimError } from "../../src/client/shim-errors.js";
import { ContainerdError, type ErrorCode, NotFoundError, UnknownError } from "../../src/errors.js";

// As containerd 1.6.20, 1.7.24 and 2.1.9 say them.
const said: readonly (readonly [string, ErrorCode])[] = [
  ["cannot pause a paused container", "failed_precondition"],
  ["cannot resume a running process: unknown", "failed_precondition"],
  ["cannot pause task in created state: unknown", "failed_precondition"],
  ["cannot checkpoint a task in created state", "failed_precondition"],
  ["cannot checkpoint a stopped container", "failed_precondition"],
  ["cannot exec in a stopped state: unknown", "failed_precondition"],
  ["container not paused", "failed_precondition"],
  ["criu failed: type DUMP errno 0 path= /run/x/criu-dump.log", "failed_precondition"],
  ["OCI runtime restore failed: criu failed: type RESTORE errno 0", "failed_precondition"],
  ["container's cgroup is not empty: 1 process(es) found", "failed_precondition"],
  ["write /tmp/ctrd-checkpoint1/pages-1.img: no space left on device", "resource_exhausted"],
  ["container with given ID already exists: unknown", "already_exists"],
  ["process already finished: not found", "not_found"],
  ["ttrpc: closed", "unavailable"],
  ['unsupported checkpoint type ""', "invalid_argument"],
  ["something else went wrong", "unknown"],
];

describe("shimError", () => {
  for (const [message, code] of said) {
    it(`takes ${JSON.stringify(message)} for ${code}`, () => {
      const reason = new UnknownError(message, { method: "m", namespace: "n", hint: "h" });
      const error = shimError(reason);
      assert.ok(error instanceof ContainerdError);
      assert.equal(error.code, code);
      assert.equal(error.message, message);
      assert.deepEqual([error.method, error.namespace, error.hint], ["m", "n", "h"]);
      if (code !== "unknown") assert.equal(error.cause, reason);
    });
  }

  it("leaves errors that have a class, and what is none of ours, alone", async () => {
    const other = new Error("cannot pause a paused container");
    assert.equal(shimError(other), other);
    const known = new NotFoundError("cannot pause a paused container");
    await assert.rejects(fromShim(Promise.reject(known)), (error) => error === known);
    assert.equal(await fromShim(Promise.resolve(1)), 1);
  });
});
