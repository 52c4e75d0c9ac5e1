import { after, before } from "node:test";
import { Client } from "../../src/client/client.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { gcSuite } from "../suites/gc-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("with garbage", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  gcSuite("a daemon's garbage collector", async () => {
    round++;
    const clientIn = (namespace: string) => new Client({ transport, namespace }, false);
    return {
      client: clientIn(`gc-${round}`),
      other: clientIn(`gc-${round}-other`),
      collectsImages: daemon().release === "v21",
      end: async () => {},
    };
  });
});
