import { recordSuite } from "../suites/record-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const way of ways) {
  recordSuite(`the records of an embedded containerd ${way}`, async () => {
    const bed = await embeddedBed(way);
    return { rpc: bed.rpc(), end: async () => bed[Symbol.asyncDispose]() };
  });
}
