import assert from "node:assert/strict";
import { Client } from "../../src/client/client.js";
import { all } from "../suites/content-bed.js";
import { unpackSuite } from "../suites/unpack-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  unpackSuite(`an embedded containerd ${way} that unpacks`, async () => {
    const bed = await embeddedBed(way);
    const client = new Client({ transport: bed.transport, namespace: "unpack" }, false);
    const ours = (names: readonly string[]) => names.filter((name) => name.startsWith("containerd-client-"));
    const snapshots = async (...filters: string[]) =>
      (await all(client.snapshots().list(filters))).map(({ name }) => name);
    return {
      client,
      committed: () => snapshots("kind==committed"),
      assertNothingLeft: async () => {
        assert.deepEqual(ours((await all(client.leases.list())).map(({ id }) => id)), []);
        assert.deepEqual(await all(client.content.statuses()), []);
        assert.deepEqual(ours(await snapshots()), []);
      },
      end: async () => bed[Symbol.asyncDispose](),
    };
  });
}
