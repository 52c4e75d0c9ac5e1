import { after, before } from "node:test";
import { RemoteStore } from "../../src/content/remote.js";
import { Client } from "../../src/index.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { archiveSuite } from "../suites/archive-suite.js";
import { moveSuite } from "../suites/move-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("image archives", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  archiveSuite("a daemon's store", async () => {
    const rpc = new Rpc(transport, `archives-${++round}`);
    const leases = new RemoteLeases(rpc);
    const lease = await leases.create();
    return { store: new RemoteStore(rpc), call: { lease }, end: () => leases.delete(lease, { sync: true }) };
  });

  moveSuite("two namespaces of a daemon", async () => {
    const client = new Client({ transport, namespace: `from-${++round}` });
    return { from: client, to: client.inNamespace(`to-${round}`), end: async () => {} };
  });
});
