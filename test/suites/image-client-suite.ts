import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { checkImage } from "../../src/content/image-check.js";
import { imageUsage } from "../../src/content/image-usage.js";
import { isFailedPrecondition, isNotFound } from "../../src/errors.js";
import type { Client, Image } from "../../src/index.js";
import { chainIds } from "../../src/oci/chain-id.js";
import { digestOf } from "../../src/oci/digest.js";
import { formatPlatform, hostPlatform, parsePlatform } from "../../src/oci/platform.js";
import { writeTar } from "../../src/tar/tar.js";
import { type PackedLayer, type Sample, Samples, sizeOf } from "./image-samples.js";

/** A client of a daemon that has nothing yet in its namespace. */
export interface ImageClientSubject {
  readonly client: Client;
  end(): Promise<void>;
}

/** A layer with one file. */
export async function packedLayer(name: string, length: number): Promise<PackedLayer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar([{ name, body: Buffer.alloc(length, name) }])) chunks.push(chunk);
  const tar = Buffer.concat(chunks);
  return { bytes: gzipSync(tar), diffId: digestOf(tar) };
}

/** What the client's images say of themselves. */
export function imageClientSuite(name: string, make: () => Promise<ImageClientSubject>): void {
  describe(name, () => {
    const here = hostPlatform();
    const elsewhere = parsePlatform("s390x");
    let subject: ImageClientSubject;
    let own: Sample;
    let other: Sample;
    let image: Image;

    before(async () => {
      subject = await make();
      const { client } = subject;
      await using lease = await client.leases.create();
      const samples = new Samples({ store: client.content, call: { lease } });
      const low = await packedLayer("low", 40_000);
      own = await samples.image(here, [low, await packedLayer("high", 2_000)]);
      other = await samples.image(elsewhere, [low]);
      const index = await samples.index([
        { ...other.target, platform: elsewhere },
        { ...own.target, platform: here },
      ]);
      image = await client.images.create("image:1", index, { lease });
    });
    after(() => subject.end());

    it("is read for the daemon's platform when none is named", async () => {
      assert.deepEqual((await image.manifest()).config, own.config);
      assert.equal((await image.config()).architecture, here.architecture);
      assert.equal((await image.config({ platform: elsewhere })).architecture, "s390x");
      assert.equal((await image.rootFS()).diffIds.length, 2);
      assert.equal(await image.size(), sizeOf(image.target, own.target, own.config, ...own.layers));
      const platforms = (await image.platforms()).map((platform) => formatPlatform(platform));
      assert.deepEqual(platforms, ["linux/s390x", formatPlatform(here)]);
      await assert.rejects(image.manifest({ platform: parsePlatform("ppc64le") }), isNotFound);
      let nodes = 0;
      for await (const _ of image.walk()) nodes++;
      assert.equal(nodes, 7);
    });

    it("is measured, so many platforms of it as asked", async () => {
      const usage = await image.usage();
      const nodes = [image.target, own.target, own.config, ...own.layers, other.target, other.config];
      assert.deepEqual([usage.present, usage.missing, usage.partial], [sizeOf(...nodes), 0, false]);
      assert.deepEqual(usage, await imageUsage(subject.client.content, image.target));
      assert.equal((await image.usage({ manifestLimit: 1 })).total, await image.size());
      assert.equal((await image.usage({ manifestLimit: 0 })).total, usage.total);
    });

    it("is found unpacked where a container stands on it", async () => {
      const before = await image.check();
      assert.deepEqual(
        before.map(({ complete, unpacked }) => [complete, unpacked]),
        [
          [true, []],
          [true, []],
        ],
      );
      assert.deepEqual(before, await checkImage(subject.client.content, image.target));
      const container = await subject.client.containers.create("user", { image: image.name, args: ["none"] });
      const { snapshotter } = await container.info();
      const [, check] = await image.check();
      assert.deepEqual(check?.unpacked, [snapshotter]);
      const [only, ...others] = await image.check({ platform: here, snapshotters: [snapshotter] });
      assert.deepEqual([only, others], [{ ...check, platform: only?.platform }, []]);
      const { snapshots } = await image.usage({ snapshots: true });
      const chain = chainIds((await image.rootFS()).diffIds).toReversed();
      assert.deepEqual(
        snapshots.map(({ name: key }) => key),
        chain,
      );
      for (const { name: key, size, inodes } of snapshots) {
        assert.deepEqual(await subject.client.snapshots(snapshotter).usage(key), { size, inodes });
      }
      assert.equal(check.chainId, chain[0]);

      await container.checkpoint("checkpoint:1");
      const checkpoint = await subject.client.images.get("checkpoint:1");
      const [whole, ...rest] = await checkpoint.check();
      assert.deepEqual([whole?.complete, whole?.unpacked, rest], [true, [snapshotter], []]);
      assert.ok((await checkpoint.size()) > (await image.size()));
      assert.deepEqual(
        (await checkpoint.platforms()).map((platform) => formatPlatform(platform)),
        [formatPlatform(here)],
      );
      await assert.rejects(checkpoint.config(), isFailedPrecondition);
      await container.delete({ snapshot: true });
    });

    it("misses what is gone", async () => {
      const gone = own.layers[1];
      assert.ok(gone);
      await subject.client.content.delete(gone.digest);
      const [, check] = await image.check();
      assert.deepEqual([check?.complete, check?.missing], [false, [gone]]);
      assert.equal((await image.usage()).missing, gone.size);
      await subject.client.content.delete(own.target.digest);
      const [, hollow] = await image.check();
      assert.deepEqual([hollow?.available, hollow?.required.length], [false, 1]);
      assert.equal((await image.usage()).partial, true);
      await assert.rejects(image.usage({ manifestLimit: 1 }), isNotFound);
      await assert.rejects(image.size(), isNotFound);
    });
  });
}
