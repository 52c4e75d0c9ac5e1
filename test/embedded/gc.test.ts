import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "../../src/client/client.js";
import { writeBlob } from "../../src/content/blob.js";
import { exists } from "../../src/content/found.js";
import { all } from "../suites/content-bed.js";
import { gcSuite } from "../suites/gc-suite.js";
import { embeddedBed, ways } from "./beds.js";

it("an embedded containerd collects by itself after a hundred changes, if something was deleted", async () => {
  await using bed = await embeddedBed("in memory");
  const client = new Client({ transport: bed.transport, namespace: "busy" }, false);
  const loose = await writeBlob(client.content, Buffer.from("loose"), { mediaType: "x" });
  for (let at = 0; at < 100; at++) await client.leases.create({ id: `l${at}` });
  assert.equal((await client.content.info(loose.digest)).size, 5);
  await client.leases.delete({ id: "l0" });
  while (await exists(client.content.info(loose.digest))) await nextTurn();
  assert.equal((await all(client.leases.list())).length, 99);
});

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
