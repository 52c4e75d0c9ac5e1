import { Client } from "../../src/client/client.js";
import { listSuite } from "../suites/list-suite.js";
import { embeddedBed } from "./beds.js";

for (const way of ["in memory", "over a socket"] as const) {
  listSuite(`lists of an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    const client = new Client({ transport: bed.transport, namespace: "lists" }, false);
    return { client, inside: true, blobs: 1_000, end: async () => bed[Symbol.asyncDispose]() };
  });
}
