import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { DescriptorSchema } from "../../src/api/types/descriptor_pb.js";
import { signalNumber } from "../../src/client/signals.js";
import { dateOf, descriptorInit, descriptorOf, labelChanges, mapOf, safeNumber } from "../../src/client/wire.js";
import { InternalError, InvalidArgumentError, OutOfRangeError } from "../../src/errors.js";

const digest = `sha256:${"ab".repeat(32)}` as const;

describe("the wire's values", () => {
  it("are numbers only where a number holds them", () => {
    assert.equal(safeNumber(2n ** 53n - 1n, "a size"), 2 ** 53 - 1);
    for (const value of [2n ** 53n, -(2n ** 60n)]) assert.throws(() => safeNumber(value, "a size"), OutOfRangeError);
  });

  it("are instants, and Go's zero time is none", () => {
    const timestamp = create(TimestampSchema, { seconds: 1_700_000_000n, nanos: 5_999_999 });
    assert.equal(dateOf(timestamp)?.toISOString(), "2023-11-14T22:13:20.005Z");
    assert.equal(dateOf(create(TimestampSchema, { seconds: -62_135_596_800n })), undefined);
    assert.equal(dateOf(undefined), undefined);
  });

  it("are descriptors there and back", () => {
    const descriptor = { mediaType: "m", digest, size: 3, annotations: { a: "1" } };
    assert.deepEqual(descriptorOf(create(DescriptorSchema, descriptorInit(descriptor)), "it"), descriptor);
    assert.throws(() => descriptorOf(undefined, "it"), InternalError);
    const bad = create(DescriptorSchema, { mediaType: "m", digest: "sha256:../../etc", size: 1n });
    assert.throws(() => descriptorOf(bad, "it"), InvalidArgumentError);
  });

  it("are maps in which every key is a key", () => {
    const map = mapOf(JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>);
    assert.deepEqual(Object.keys(map), ["__proto__", "constructor"]);
    assert.equal(Object.getPrototypeOf(map), Object.prototype);
  });

  it("are changes of labels: null deletes", () => {
    assert.deepEqual(labelChanges({ a: "1", "b.c/d": null }), {
      labels: { a: "1", "b.c/d": "" },
      paths: ["labels.a", "labels.b.c/d"],
    });
  });

  it("are Linux's signals, wherever we run", () => {
    assert.deepEqual(
      ["SIGKILL", "SIGUSR1", "SIGCHLD"].map((name) => signalNumber(name as NodeJS.Signals)),
      [9, 10, 17],
    );
    assert.equal(signalNumber(34), 34);
    for (const bad of [0, 65, 1.5, "SIGBREAK", "toString", "KILL"]) {
      assert.throws(() => signalNumber(bad as NodeJS.Signals), InvalidArgumentError, String(bad));
    }
  });
});
