import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Exchange } from "../../src/embedded/events/exchange.js";
import { isContainerdError } from "../../src/errors.js";
import { eventSuite } from "../suites/event-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  eventSuite(`the events of an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    return { rpc: bed.rpc(), end: async () => bed[Symbol.asyncDispose]() };
  });
}

describe("an exchange of events", () => {
  it("keeps only so many events for one who does not read them, and tells him that some were lost", async () => {
    const exchange = new Exchange(new AbortController().signal);
    const slow = exchange.subscribe([], new AbortController().signal);
    for (let at = 0; at <= 10_000; at++) exchange.publish("ns", `/t/${at}`, create(AnySchema, { typeUrl: "x.Y" }));
    for (let at = 0; at < 10_000; at++) assert.equal((await slow.next()).value?.topic, `/t/${at}`);
    await assert.rejects(slow.next(), (reason) => isContainerdError(reason, "resource_exhausted"));
  });
});
