import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { RemoteStore } from "../../src/content/remote.js";
import type { Store } from "../../src/content/store.js";
import type { Lease } from "../../src/leases/lease.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { digester } from "../../src/oci/digest.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { Peak } from "./peak.js";

const MIB = 1024 * 1024;

async function there(store: Store, lease: Lease, mib: number): Promise<number> {
  const chunk = Buffer.alloc(MIB);
  const hash = digester();
  for (let at = 0; at < mib; at++) hash.update(chunk.fill(at));
  const expected = hash.digest();
  const size = mib * MIB;
  const peak = new Peak();
  await using writer = await store.writer(`large-${mib}`, { size, expected, lease });
  for (let at = 0; at < mib; at++) {
    await writer.write(chunk.fill(at));
    peak.look();
  }
  assert.deepEqual(await writer.commit(), { digest: expected, size, labels: {} });
  let got = 0;
  for await (const bytes of store.read({ digest: expected, size })) {
    assert.ok(bytes.length <= 4 * MIB);
    got += bytes.length;
    peak.look();
  }
  assert.equal(got, size);
  return peak.bytes;
}

describeOnEachDaemon("large content", (daemon) => {
  let transport: Transport;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  it("goes there and back, four times as much in the same memory", async () => {
    const rpc = new Rpc(transport, "large");
    const store = new RemoteStore(rpc);
    await using lease = await new RemoteLeases(rpc).create();
    // The first one also pays for what is loaded and compiled along the way.
    await there(store, lease, 16);
    const small = await there(store, lease, 17);
    const large = await there(store, lease, 64);
    // What is held back would show whole; half of it leaves room for a garbage collector that lags behind.
    assert.ok(large - small < (47 / 2) * MIB, `${large - small} bytes more for 47 MiB more`);
  });
});
