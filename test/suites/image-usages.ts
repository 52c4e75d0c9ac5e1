import assert from "node:assert/strict";
import { it } from "node:test";
import { imageUsage } from "../../src/content/image-usage.js";
import type { Provider } from "../../src/content/store.js";
import { isDataLoss, isInvalidArgument, isNotFound, NotFoundError } from "../../src/errors.js";
import * as types from "../../src/oci/media-types.js";
import type { ContentBed } from "./content-bed.js";
import { amd64, arm64, Samples, sizeOf } from "./image-samples.js";

export function usageCases(bed: ContentBed): void {
  const samples = new Samples(bed);
  /** The same store as something that only gives bytes. */
  const bare = (): Provider => ({ read: (target, options) => bed.store.read(target, options) });
  const nothing = { missing: 0, partial: false, snapshots: [] };

  it("measures what is there and what is not, each blob once", async () => {
    const one = await samples.image(amd64, ["base", "one"]);
    const two = await samples.image(arm64, ["base", "two", "two"]);
    const index = await samples.index([
      { ...one.target, platform: amd64 },
      { ...two.target, platform: arm64 },
      one.target,
    ]);
    const [base, own] = one.layers;
    const parts = [index, one.target, one.config, two.target, two.config, ...one.layers, ...two.layers.slice(1, 2)];
    const total = sizeOf(...parts);
    assert.ok(base && own);
    for (const provider of [bed.store, bare()]) {
      assert.deepEqual(await imageUsage(provider, index), { ...nothing, present: total, total });
    }
    await bed.store.delete(own.digest);
    for (const provider of [bed.store, bare()]) {
      const usage = await imageUsage(provider, index);
      assert.deepEqual(usage, { ...nothing, present: total - own.size, missing: own.size, total });
    }
    await bed.store.delete(two.target.digest);
    const hidden = sizeOf(two.config, ...two.layers.slice(1, 2));
    const usage = await imageUsage(bed.store, index);
    assert.equal(usage.partial, true);
    assert.equal(usage.total, total - hidden);
    assert.equal(usage.missing, own.size + two.target.size);
  });

  it("counts once what is a document in one place and plain bytes in another", async () => {
    const { target, config, layers } = await samples.image(amd64, ["layer"]);
    const plain = { ...target, mediaType: "application/octet-stream" };
    const index = await samples.index([plain, target]);
    assert.equal((await imageUsage(bed.store, index)).total, sizeOf(index, target, config, ...layers));
  });

  it("measures so many manifests, which must be there", async () => {
    const one = await samples.image(amd64, ["one"]);
    const two = await samples.image(arm64, ["two"]);
    const index = await samples.index([
      { ...one.target, platform: amd64 },
      { ...two.target, platform: arm64 },
    ]);
    const ofTwo = sizeOf(index, two.target, two.config, ...two.layers);
    const ofBoth = ofTwo + sizeOf(one.target, one.config, ...one.layers);
    const total = async (manifestLimit: number, platform = arm64) =>
      (await imageUsage(bed.store, index, { platform, manifestLimit })).total;
    assert.equal(await total(1), ofTwo);
    assert.equal((await imageUsage(bed.store, index, { manifestLimit: 0 })).total, ofBoth);
    assert.equal((await imageUsage(bed.store, index, { platform: arm64 })).total, ofTwo);
    await bed.store.delete(one.target.digest);
    assert.equal(await total(1), ofTwo);
    await assert.rejects(imageUsage(bed.store, index, { manifestLimit: 0 }), isNotFound);
    await assert.rejects(total(1, { os: "linux", architecture: "s390x" }), isNotFound);
    await assert.rejects(total(-1), isInvalidArgument);
  });

  it("measures a checkpoint, and what is not there at all", async () => {
    const { target, parts } = await samples.checkpoint();
    const total = sizeOf(target, ...parts);
    assert.deepEqual(await imageUsage(bed.store, target), { ...nothing, present: total, total });
    assert.deepEqual(await imageUsage(bed.store, target, { manifestLimit: 1, platform: arm64 }), {
      ...nothing,
      present: total,
      total,
    });
    const lost = samples.lost("lost", types.MEDIA_TYPE_INDEX);
    const { size } = lost;
    const absent = { ...nothing, present: 0, missing: size, total: size, partial: true };
    assert.deepEqual(await imageUsage(bed.store, lost), absent);
    await assert.rejects(imageUsage(bed.store, lost, { manifestLimit: 0 }), isNotFound);
  });

  it("notices a blob of another size than its descriptor says", async () => {
    const layer = await samples.blob("layer", types.MEDIA_TYPE_LAYER);
    const config = await samples.blob("{}", types.MEDIA_TYPE_EMPTY_JSON);
    const target = await samples.manifest({ config, layers: [{ ...layer, size: layer.size + 1 }] });
    for (const provider of [bed.store, bare()]) await assert.rejects(imageUsage(provider, target), isDataLoss);
  });

  it("measures the snapshots that labels name, each layer once", async () => {
    const one = await samples.image(amd64, ["one"]);
    const two = await samples.image(arm64, ["two"]);
    const index = await samples.index([one.target, two.target]);
    const label = (snapshotter: string) => `containerd.io/gc.ref.snapshot.${snapshotter}`;
    await bed.store.update(one.config.digest, { [label("a")]: "top", [label("gone")]: "x", other: "y" });
    await bed.store.update(two.config.digest, { [label("a")]: "side", [label("b")]: "top" });
    const parents: Record<string, string> = { top: "base", side: "base" };
    const snapshots = (snapshotter: string) => ({
      stat: async (name: string) => ({ parent: parents[name] ?? "" }),
      usage: async (name: string) => {
        if (snapshotter === "gone") throw new NotFoundError("no such snapshotter");
        return { size: name.length, inodes: 1 };
      },
    });
    const usage = await imageUsage(bed.store, index, { snapshots });
    assert.deepEqual(
      usage.snapshots.map(({ snapshotter, name, size }) => `${snapshotter} ${name} ${size}`),
      ["a top 3", "a base 4", "a side 4", "b top 3", "b base 4"],
    );
    assert.deepEqual((await imageUsage(bed.store, index)).snapshots, []);
  });
}
