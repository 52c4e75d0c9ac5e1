import { RemoteStore } from "../../src/content/remote.js";
import { connect } from "../../src/index.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { archiveSuite } from "../suites/archive-suite.js";
import { moveSuite } from "../suites/move-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  archiveSuite(`an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    const rpc = bed.rpc();
    const call = { lease: await new RemoteLeases(rpc).create() };
    return { store: new RemoteStore(rpc), call, end: async () => bed[Symbol.asyncDispose]() };
  });

  moveSuite(`two embedded containerds ${way}`, async () => {
    const [here, there] = await Promise.all([embeddedBed(way), embeddedBed(way)]);
    return {
      from: await connect({ transport: here.transport }),
      to: await connect({ transport: there.transport }),
      end: async () => {
        await here[Symbol.asyncDispose]();
        await there[Symbol.asyncDispose]();
      },
    };
  });
}
