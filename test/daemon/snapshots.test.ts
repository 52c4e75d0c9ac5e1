import { randomUUID } from "node:crypto";
import { after, before } from "node:test";
import type { Daemon } from "../../lab/daemon.js";
import { Client } from "../../src/client/client.js";
import type { Mount } from "../../src/client/mount.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import type { SnapshotSubject } from "../suites/snapshot-bed.js";
import { snapshotSuite } from "../suites/snapshot-suite.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("a daemon", (daemon) => {
  let transport: Transport;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  snapshotSuite("and its snapshots", async (): Promise<SnapshotSubject> => {
    const namespace = randomUUID();
    const inNamespace = (name: string) => new Client({ transport, namespace: name });
    return {
      client: inNamespace(namespace),
      other: inNamespace(`${namespace}-other`),
      rpc: new Rpc(transport, namespace),
      shell: (mounts, script) => shell(daemon(), mounts, script),
      writesZstd: daemon().release === "v21",
      end: async () => {},
    };
  });
});

/** Mounts as a runtime would, in a mount namespace of its own. */
async function shell(daemon: Daemon, mounts: readonly Mount[], script: string): Promise<string> {
  const [mount] = mounts;
  if (mount === undefined) throw new Error("no mount");
  const { type, source, options } = mount;
  const lines =
    type === "bind"
      ? ["mount --bind $1 /mnt", `mount -o remount,bind,${options.includes("ro") ? "ro" : "rw"} /mnt`]
      : [`mount -t ${type} -o ${options.join(",")} $1 /mnt`];
  const all = [...lines, "cd /mnt", script].join("\n");
  return (await daemon.inBox("unshare", ["--mount", "sh", "-euc", all, "shell", source])).stdout;
}
