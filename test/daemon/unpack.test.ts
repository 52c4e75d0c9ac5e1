import { after, before } from "node:test";
import type { Client } from "../../src/client/client.js";
import { unpackSuite } from "../suites/unpack-suite.js";
import { assertNothingLeft, listed } from "./audit.js";
import { clientFor } from "./client.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("a daemon", (daemon) => {
  let client: Client;
  before(async () => {
    client = await clientFor(daemon(), "unpack");
  });
  after(() => client.close());

  unpackSuite("that unpacks", async () => ({
    client,
    committed: async () =>
      (await listed(daemon(), client, "snapshots", "ls"))
        .filter((line) => line.endsWith("Committed"))
        .map((line) => line.split(/\s+/)[0] ?? ""),
    assertNothingLeft: () => assertNothingLeft(daemon(), client),
    end: async () => {},
  }));
});
