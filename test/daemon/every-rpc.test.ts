import { unixTransport } from "../../src/rpc/transport.js";
import { everyRpcSuite } from "../suites/every-rpc-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("with all its services", (daemon) => {
  everyRpcSuite("every RPC", "every-rpc", async () => unixTransport(daemon().address));
});
