import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import { Client } from "../../src/client/client.js";
import type { Transport } from "../../src/rpc/transport.js";
import {
  callContainersAndTasks,
  callEvents,
  callImages,
  callLeasesAndContent,
  callSnapshotsAndDiffs,
  callVersionAndNamespaces,
} from "../daemon/every-rpc-calls.js";
import { allRpcs, RpcLedger, unwrapped } from "../daemon/rpc-ledger.js";

const IMAGE = "docker.io/library/every:1";
// Containerd before 2.0 does not know it, and says so.
const optional = new Set(["Introspection.PluginInfo"]);

/** Calls all there is to call, on a daemon that runs containers. */
export function everyRpcSuite(name: string, namespace: string, reach: () => Promise<Transport>): void {
  describe(name, () => {
    const ledger = new RpcLedger();
    let client: Client;

    before(async () => {
      client = new Client({ transport: ledger.wrap(await reach()), namespace });
      await busyboxImage(client, IMAGE);
    });
    after(() => client.close());

    it("of version, introspection and namespaces works", () => callVersionAndNamespaces(client));
    it("of leases and content works", () => callLeasesAndContent(client));
    it("of images works", () => callImages(client, IMAGE));
    it("of containers and tasks works", () =>
      callContainersAndTasks(client, IMAGE, () => ledger.hide("Containers.ListStream")));
    it("of snapshots and diffs works", () => callSnapshotsAndDiffs(client, IMAGE));
    it("of events works", () => callEvents(client));

    it("that is wrapped was called and answered", () => {
      const wrapped = allRpcs.filter((rpc) => !Object.hasOwn(unwrapped, rpc));
      assert.deepEqual(
        wrapped.filter((rpc) => !ledger.called.has(rpc)),
        [],
      );
      assert.deepEqual(
        wrapped.filter((rpc) => !ledger.answered.has(rpc) && !optional.has(rpc)),
        [],
      );
    });

    it("that is not wrapped has its reason, and stays uncalled", () => {
      assert.deepEqual(
        Object.keys(unwrapped).filter((rpc) => !allRpcs.includes(rpc)),
        [],
      );
      assert.deepEqual(
        [...ledger.called].filter((rpc) => Object.hasOwn(unwrapped, rpc)),
        [],
      );
    });
  });
}
