import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { Images } from "../../src/api/services/images/v1/images_pb.js";
import { Leases } from "../../src/api/services/leases/v1/leases_pb.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { isContainerdError, isNotFound } from "../../src/errors.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { container, image, refusals } from "../suites/record-refusals.js";
import { recordSuite } from "../suites/record-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("with records", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  recordSuite("a daemon's records", async () => ({
    rpc: new Rpc(transport, `records-${++round}`),
    end: async () => {},
  }));

  it("refuses a name that fills more than a refusal may have, and answers on", async () => {
    const rpc = new Rpc(transport, `records-${++round}`);
    const asked = rpc.unary(Images.method.get, { name: "n".repeat(100_000) }, { timeoutMs: 10_000 });
    await assert.rejects(asked, (error) => isContainerdError(error, "internal"));
    await assert.rejects(rpc.unary(Images.method.get, { name: "none" }), isNotFound);
  });

  it("refuses in the words that the embedded one has", async () => {
    // 1.6 says less of a label.
    if (daemon().release === "v16") return;
    await using containerd = await createEmbedded();
    const rpcs = [transport, containerd.transport].map((one) => new Rpc(one, "words"));
    for (const rpc of rpcs) {
      await rpc.unary(Images.method.create, { image });
      await rpc.unary(Containers.method.create, { container });
      await rpc.unary(Leases.method.create, { id: "there" });
    }
    const wordsOf = async (attempt: Promise<unknown>) => {
      try {
        await attempt;
        return "accepted";
      } catch (reason) {
        if (!isContainerdError(reason)) throw reason;
        return `${reason.code} ${reason.message}`;
      }
    };
    for (const { what, call } of refusals) {
      const [real, ours] = await Promise.all(rpcs.map((rpc) => wordsOf(call(rpc))));
      // What is wrong with a filter is said in words of our own, here as in all stores.
      if (what !== "a bad filter") assert.equal(ours, real, what);
    }
  });
});
