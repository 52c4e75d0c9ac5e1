import { Client } from "../../src/client/client.js";
import { gcSuite } from "../suites/gc-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  gcSuite(`the garbage collector of an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    const clientIn = (namespace: string) => new Client({ transport: bed.transport, namespace }, false);
    return {
      client: clientIn("mine"),
      other: clientIn("theirs"),
      collectsImages: true,
      end: async () => bed[Symbol.asyncDispose](),
    };
  });
}
