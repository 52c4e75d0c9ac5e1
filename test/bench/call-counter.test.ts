import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect } from "containerd-client";
import { createEmbedded } from "containerd-client/embedded";
import { CallCounter, frames } from "../../bench/call-counter.js";

const frame = (type: number, length: number): Buffer => {
  const bytes = Buffer.alloc(9 + length, 1);
  bytes.writeUIntBE(length, 0, 3);
  bytes.writeUInt8(type, 3);
  return bytes;
};

describe("the counter of calls", () => {
  it("sees every frame, wherever the bytes are cut", () => {
    const bytes = Buffer.concat([Buffer.alloc(24), frame(4, 0), frame(1, 30), frame(0, 500), frame(1, 1), frame(8, 4)]);
    for (const size of [1, 7, 9, 24, 33, 1000]) {
      const types: number[] = [];
      const look = frames((type) => types.push(type));
      for (let at = 0; at < bytes.length; at += size) look(bytes.subarray(at, at + size));
      assert.deepEqual(types, [4, 1, 0, 1, 8], `cut every ${size} bytes`);
    }
  });

  it("counts the calls of a client, streams among them", async () => {
    const directory = await mkdtemp(join(tmpdir(), "calls-"));
    try {
      await using containerd = await createEmbedded();
      await containerd.listen(join(directory, "c.sock"));
      await using counter = await CallCounter.listen(join(directory, "r.sock"), join(directory, "c.sock"));
      await using client = await connect({ address: join(directory, "r.sock") });
      assert.equal(counter.calls, 1);
      await client.version();
      for await (const _ of client.content.list()) assert.fail("there is no content");
      assert.equal(counter.calls, 3);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
