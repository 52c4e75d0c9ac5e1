import { RemoteStore } from "../../src/content/remote.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { unixTransport } from "../../src/rpc/transport.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import type { ContentSubject } from "../suites/content-bed.js";
import { copySuite } from "../suites/copy-suite.js";
import { layoutSubject } from "./layout-bed.js";

describeOnEachDaemon("copies", (daemon) => {
  let round = 0;

  const remoteSubject = async (): Promise<ContentSubject> => {
    const transport = unixTransport(daemon().address);
    const rpc = new Rpc(transport, `copy-${++round}`);
    const leases = new RemoteLeases(rpc);
    const lease = await leases.create();
    const end = async () => {
      await leases.delete(lease, { sync: true });
      transport.close?.();
    };
    return { store: new RemoteStore(rpc), call: { lease }, end };
  };

  copySuite("a copy from a layout to a daemon", layoutSubject, remoteSubject);
  copySuite("a copy from a daemon to a layout", remoteSubject, layoutSubject);
});
