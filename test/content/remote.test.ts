import { after, before } from "node:test";

import { RemoteStore } from "../../src/content/remote.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { type ContentSubject, contentSuite, namespacesSuite } from "../suites/content-suite.js";

describeOnEachDaemon("content", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  const subject = async (): Promise<Required<ContentSubject>> => {
    round++;
    const [mine, theirs] = await Promise.all(
      ["", "-other"].map(async (suffix) => {
        const rpc = new Rpc(transport, `content-${round}${suffix}`);
        const leases = new RemoteLeases(rpc);
        const lease = await leases.create();
        return { store: new RemoteStore(rpc), call: { lease }, end: () => leases.delete(lease, { sync: true }) };
      }),
    );
    if (mine === undefined || theirs === undefined) throw new Error("no namespaces");
    const end = async () => {
      await mine.end();
      await theirs.end();
    };
    return { store: mine.store, call: mine.call, other: theirs, end };
  };
  contentSuite("a daemon's content store", subject);
  namespacesSuite("a daemon's content store in two namespaces", subject);
});
