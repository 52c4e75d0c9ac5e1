import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { RemoteStore } from "../../src/content/remote.js";
import { isUnavailable } from "../../src/errors.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import type { ContentSubject } from "../suites/content-bed.js";
import { damageSuite } from "../suites/content-damage.js";
import { contentSuite, namespacesSuite } from "../suites/content-suite.js";

describeOnEachDaemon("content", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  const subject = async (): Promise<ContentSubject & Required<Pick<ContentSubject, "other" | "fileOf">>> => {
    round++;
    const [mine, theirs] = await Promise.all(
      ["", "-other"].map(async (suffix) => {
        const rpc = new Rpc(transport, `content-${round}${suffix}`);
        const leases = new RemoteLeases(rpc);
        const lease = await leases.create();
        return { store: new RemoteStore(rpc), call: { lease }, end: () => leases.delete(lease, { sync: true }) };
      }),
    );
    if (mine === undefined || theirs === undefined) throw new Error("no namespaces");
    const end = async () => {
      await mine.end();
      await theirs.end();
    };
    const blobs = join(daemon().root, "io.containerd.content.v1.content", "blobs");
    const fileOf = (digest: Digest) => join(blobs, ...digest.split(":"));
    return { store: mine.store, call: mine.call, other: theirs, fileOf, end };
  };
  it("goes on after the daemon was killed in the middle", async () => {
    const { store, call, end } = await subject();
    const bytes = randomBytes(6 * 1024 * 1024);
    const about = { ...call, size: bytes.length, expected: digestOf(bytes) };
    const writer = await store.writer("interrupted", about);
    await writer.write(bytes.subarray(0, 3_000_000));
    while ((await store.status("interrupted")).offset < 3_000_000) await sleep(5);
    await daemon().kill();
    await assert.rejects(async () => {
      for (;;) await writer.write(bytes.subarray(3_000_000, 3_100_000));
    }, isUnavailable);
    await assert.rejects(writer.commit(), isUnavailable);
    await daemon().start();
    await using again = await store.writer("interrupted", about);
    assert.equal(again.offset, 3_000_000);
    await again.write(bytes.subarray(again.offset));
    assert.equal((await again.commit()).digest, about.expected);
    await end();
  });

  contentSuite("a daemon's content store", subject);
  damageSuite("a daemon's content store", subject);
  namespacesSuite("a daemon's content store in two namespaces", subject);
});
