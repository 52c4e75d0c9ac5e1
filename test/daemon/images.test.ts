import { after, before } from "node:test";
import { RemoteStore } from "../../src/content/remote.js";
import { connect } from "../../src/index.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { imageClientSuite } from "../suites/image-client-suite.js";
import { imageSuite } from "../suites/image-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("images", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  imageSuite("images in a daemon's store", async () => {
    const rpc = new Rpc(transport, `images-${++round}`);
    const leases = new RemoteLeases(rpc);
    const lease = await leases.create();
    return { store: new RemoteStore(rpc), call: { lease }, end: () => leases.delete(lease, { sync: true }) };
  });

  imageClientSuite("images of a daemon", async () => {
    const client = await connect({ address: daemon().address, namespace: "images" });
    return { client, end: () => client.close() };
  });
});
