import { after, before, describe } from "node:test";
import { RemoteStore } from "../../src/content/remote.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { leaseSuite } from "../suites/lease-suite.js";
import { type EmbeddedBed, embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  describe(`an embedded containerd ${way}`, () => {
    let bed: EmbeddedBed;
    before(async () => {
      bed = await embeddedBed(way);
    });
    after(() => bed[Symbol.asyncDispose]());
    leaseSuite("leases", async () => {
      const rpc = bed.rpc();
      return { leases: new RemoteLeases(rpc), store: new RemoteStore(rpc), holdsImages: true };
    });
  });
}
