import { after, before } from "node:test";
import { RemoteStore } from "../../src/content/remote.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { leaseSuite } from "../suites/lease-suite.js";

describeOnEachDaemon("leases", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  leaseSuite("a daemon's leases", async () => {
    const rpc = new Rpc(transport, `leases-${++round}`);
    return { leases: new RemoteLeases(rpc), store: new RemoteStore(rpc), holdsImages: daemon().release === "v21" };
  });
});
