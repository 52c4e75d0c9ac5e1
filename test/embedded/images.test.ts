import { RemoteStore } from "../../src/content/remote.js";
import { connect } from "../../src/index.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { imageClientSuite } from "../suites/image-client-suite.js";
import { imageSuite } from "../suites/image-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  imageSuite(`images in an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    const rpc = bed.rpc();
    const call = { lease: await new RemoteLeases(rpc).create() };
    return { store: new RemoteStore(rpc), call, end: async () => bed[Symbol.asyncDispose]() };
  });

  imageClientSuite(`images of an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    const client = await connect({ transport: bed.transport });
    return { client, end: async () => bed[Symbol.asyncDispose]() };
  });
}
