import { after, before } from "node:test";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { eventSuite } from "../suites/event-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("with events", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  eventSuite("a daemon's events", async () => ({ rpc: new Rpc(transport, `events-${++round}`), end: async () => {} }));
});
