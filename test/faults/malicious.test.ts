import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readBlob, writeBlob } from "../../src/content/index.js";
import { Client } from "../../src/index.js";
import { CONTAINER, HonestDaemon } from "./malicious/honest-daemon.js";
import { lies, malicious } from "./malicious/malicious.js";

/** A hundred are tried by npm run test:faults. */
const SEEDS = 1;

describe("a daemon that lies", () => {
  it("would be believed if it did not", async () => {
    const daemon = new HonestDaemon();
    await using client = new Client({ transport: daemon.transport(), namespace: "lies" });
    const container = await client.containers.get(CONTAINER);
    const { ref, leftBehind } = await container.checkpoint("frozen");
    assert.deepEqual(leftBehind, []);
    assert.equal(daemon.pauses, 1);
    assert.equal((await client.restore("copy", ref)).id, "copy");
    const written = await writeBlob(client.content, Buffer.from("bytes"), { mediaType: "any" });
    assert.equal(Buffer.from(await readBlob(client.content, written)).toString(), "bytes");
  });

  it("is found out, in little time and memory, and leaves no task paused", async () => {
    const told = lies.filter(({ costly }) => costly !== true);
    assert.ok(told.length >= 25);
    for await (const { name, troubles } of malicious(told, SEEDS)) assert.deepEqual(troubles, [], name);
  });
});
