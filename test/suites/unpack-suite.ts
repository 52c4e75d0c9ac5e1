import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type BusyboxImageOptions, busyboxImage } from "../../lab/busybox-image.js";
import type { CallOptions } from "../../src/call-options.js";
import type { Client } from "../../src/client/client.js";
import type { Image } from "../../src/client/image.js";
import type { Services } from "../../src/client/services.js";
import { type UnpackOptions, unpackImage } from "../../src/client/unpack.js";
import { DataLossError, NotFoundError } from "../../src/errors.js";
import { chainIds } from "../../src/oci/chain-id.js";
import { MEDIA_TYPE_LAYER } from "../../src/oci/media-types.js";
import { listing } from "./snapshot-bed.js";

/** What the suite runs over. */
export interface UnpackSubject {
  readonly client: Client;
  /** Names of the committed snapshots, as somebody else than the library sees them. */
  committed(): Promise<readonly string[]>;
  /** Fails when an operation left a lease, an ingest or a snapshot. */
  assertNothingLeft(): Promise<void>;
  /** Puts everything away. */
  end(): Promise<void>;
}

/** What unpacking an image must do, whatever daemon does it. */
export function unpackSuite(name: string, make: () => Promise<UnpackSubject>): void {
  describe(name, () => {
    let subject: UnpackSubject;
    let client: Client;
    let count = 0;
    beforeEach(async () => {
      subject = await make();
      client = subject.client;
    });
    afterEach(async () => {
      await subject.assertNothingLeft();
      await subject.end();
    });
    const committed = () => subject.committed();
    /** An image whose second layer nobody has unpacked yet. */
    const fresh = (options: BusyboxImageOptions = {}) =>
      busyboxImage(client, `unpack:${++count}`, {
        secondLayer: [{ name: "fresh", body: Buffer.from(`${Date.now()} ${count}`) }],
        ...options,
      });
    const unpack = (image: Image, options: Partial<UnpackOptions> = {}, call: CallOptions = {}) => {
      const { content, leases, diffs, introspection, namespace } = client;
      const snapshots = (snapshotter: string) => client.snapshots(snapshotter);
      const services = { content, leases, diffs, introspection, namespace, snapshots } as unknown as Services;
      return unpackImage(services, image.target, { snapshotter: "overlayfs", ...options }, call);
    };
    const collect = async () => client.leases.delete(await client.leases.create(), { sync: true });

    it("commits each layer under its chain id, and keeps them while the image is there", async () => {
      const image = await fresh();
      const chain = chainIds((await image.rootFS()).diffIds);
      assert.equal((await unpack(image)).chainId, chain[1]);
      const lease = await client.leases.create();
      const mounts = await client.snapshots().view("look", chain[1] ?? "", { lease });
      const whole = await client.diffs.diff([], mounts, { lease, mediaType: MEDIA_TYPE_LAYER });
      const files = await listing(client.content.read(whole));
      assert.deepEqual([files["bin/sh"], files["tmp"]], ["symlink 777 0:0 -> busybox", "directory 1777 0:0"]);
      assert.match(files["fresh"] ?? "", /^file 644 0:0 [0-9]+ /);
      await client.leases.delete(lease, { sync: true });
      await collect();
      for (const id of chain) assert.ok((await committed()).includes(id), id);
      await image.delete({ sync: true });
      assert.equal((await committed()).includes(chain[1] ?? ""), false);
    });

    it("does nothing the second time, and takes two at once", async () => {
      const image = await fresh();
      const { layers } = await image.manifest();
      const seen: string[] = [];
      const onProgress = ({ digest }: { digest: string }): void => void seen.push(digest);
      const both = await Promise.all([1, 2, 3].map(() => unpack(image, { onProgress })));
      assert.equal(new Set(both.map(({ chainId }) => chainId)).size, 1);
      assert.ok(seen.includes(layers[1]?.digest ?? ""));
      seen.length = 0;
      await unpack(image, { onProgress });
      assert.deepEqual(seen, []);
      await collect();
      assert.ok((await committed()).includes(both[0]?.chainId ?? ""));
      await image.delete({ sync: true });
    });

    it("finds the daemon's platform in an index whose other parts are not here", async () => {
      const image = await fresh({ index: true });
      await unpack(image);
      const platform = { os: "linux", architecture: "riscv64" };
      await assert.rejects(unpack(image, { platform }), NotFoundError);
      await image.delete({ sync: true });
    });

    it("refuses layers that unpack to something else, and leaves no snapshot of them", async () => {
      const before = await committed();
      const wrong = `sha256:${"0".repeat(64)}` as const;
      const image = await fresh({ diffIds: [wrong, wrong] });
      await assert.rejects(unpack(image), (reason) => {
        assert.ok(reason instanceof DataLossError);
        assert.match(reason.message, /unpacks to sha256:[0-9a-f]{64}, expected sha256:0000/);
        return true;
      });
      assert.deepEqual(await committed(), before);
      await image.delete({ sync: true });
    });

    it("names a layer that is not in the store before it makes anything", async () => {
      const image = await fresh();
      const { layers } = await image.manifest();
      const missing = layers[1]?.digest;
      assert.ok(missing);
      await client.content.delete(missing);
      const before = await committed();
      await assert.rejects(unpack(image), (reason) => {
        assert.ok(reason instanceof NotFoundError);
        assert.ok(reason.message.includes(missing), reason.message);
        return true;
      });
      assert.deepEqual(await committed(), before);
      await image.delete({ sync: true });
    });

    it("leaves nothing when it is given up at any moment", async () => {
      for (let ms = 0; ms < 60; ms += 4) {
        const image = await fresh();
        const stop = new AbortController();
        setTimeout(() => stop.abort(new Error("enough")), ms);
        await unpack(image, {}, { signal: stop.signal }).catch((reason: Error) => {
          assert.equal(reason.message, "enough");
        });
        await subject.assertNothingLeft();
        await image.delete({ sync: true });
      }
    });
  });
}
