import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { writeBlob } from "../../src/content/blob.js";
import { readImageConfig, readManifest } from "../../src/content/image-manifest.js";
import { imagePlatforms } from "../../src/content/image-platforms.js";
import { MemoryStore } from "../../src/content/memory.js";
import type { Provider } from "../../src/content/store.js";
import { DataLossError, FailedPreconditionError, NotFoundError } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { encodeIndex } from "../../src/oci/image-index.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { MEDIA_TYPE_IMAGE_CONFIG, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST } from "../../src/oci/media-types.js";
import type { Platform } from "../../src/oci/platform.js";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };

class Images {
  readonly store: MemoryStore = new MemoryStore();

  async image(platform: Platform): Promise<Descriptor> {
    const text = JSON.stringify({ ...platform, rootfs: { type: "layers", diff_ids: [] } });
    const config = await writeBlob(this.store, new TextEncoder().encode(text), { mediaType: MEDIA_TYPE_IMAGE_CONFIG });
    const bytes = encodeManifest({ schemaVersion: 2, mediaType: MEDIA_TYPE_MANIFEST, config, layers: [] });
    return writeBlob(this.store, bytes, { mediaType: MEDIA_TYPE_MANIFEST });
  }

  index(...manifests: Descriptor[]): Promise<Descriptor> {
    const bytes = encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests });
    return writeBlob(this.store, bytes, { mediaType: MEDIA_TYPE_INDEX });
  }
}

describe("readManifest", () => {
  it("takes a manifest as it is", async () => {
    const images = new Images();
    const target = await images.image(arm64);
    const { descriptor, manifest } = await readManifest(images.store, target, { platform: amd64 });
    assert.equal(descriptor.digest, target.digest);
    assert.equal((await readImageConfig(images.store, manifest.config)).architecture, "arm64");
  });

  it("finds the one that suits best, by the index or by its config", async () => {
    const images = new Images();
    const [one, two] = [await images.image(amd64), await images.image(arm64)];
    const told = await images.index({ ...one, platform: amd64 }, { ...two, platform: arm64 });
    assert.equal((await readManifest(images.store, told, { platform: arm64 })).descriptor.digest, two.digest);
    const silent = await images.index(one, two);
    assert.equal((await readManifest(images.store, silent, { platform: arm64 })).descriptor.digest, two.digest);
    const nested = await images.index(await images.index(one), silent);
    assert.equal((await readManifest(images.store, nested, { platform: arm64 })).descriptor.digest, two.digest);
  });

  it("passes over platforms that were never fetched", async () => {
    const images = new Images();
    const one = await images.image(amd64);
    const missing: Descriptor = { mediaType: MEDIA_TYPE_MANIFEST, digest: `sha256:${"0".repeat(64)}`, size: 5 };
    const target = await images.index(missing, one);
    assert.equal((await readManifest(images.store, target, { platform: amd64 })).descriptor.digest, one.digest);
    await assert.rejects(readManifest(images.store, target, { platform: arm64 }), NotFoundError);
  });

  it("refuses what is no image, and indexes without end", async () => {
    const images = new Images();
    const blob = await writeBlob(images.store, new Uint8Array(3), { mediaType: "application/octet-stream" });
    await assert.rejects(readManifest(images.store, blob, { platform: amd64 }), FailedPreconditionError);
    let deep = await images.index(await images.image(amd64));
    for (let level = 0; level < 6; level++) deep = await images.index(deep);
    await assert.rejects(readManifest(images.store, deep, { platform: amd64 }), FailedPreconditionError);
    const odd = encodeManifest({ schemaVersion: 2, mediaType: MEDIA_TYPE_MANIFEST, config: blob, layers: [] });
    const target = await writeBlob(images.store, odd, { mediaType: MEDIA_TYPE_MANIFEST });
    const { manifest } = await readManifest(images.store, target, { platform: amd64 });
    await assert.rejects(readImageConfig(images.store, manifest.config), FailedPreconditionError);
  });

  it("looks into no index twice, however often indexes name each other", async () => {
    const images = new Images();
    let level: Descriptor[] = [await images.image(amd64)];
    for (let depth = 0; depth < 4; depth++) {
      const next: Descriptor[] = [];
      for (let at = 0; at < 20; at++) next.push(await images.index(...level, ...level.slice(0, at)));
      level = next;
    }
    let reads = 0;
    const counting: Provider = {
      read: (target, options) => {
        reads++;
        return images.store.read(target, options);
      },
    };
    const [target] = level;
    assert.ok(target);
    await assert.rejects(readManifest(counting, target, { platform: arm64 }), NotFoundError);
    assert.ok(reads < 4 * 20 * 3, `${reads} reads`);
    reads = 0;
    assert.deepEqual(
      (await imagePlatforms(counting, target)).map(({ architecture }) => architecture),
      ["amd64"],
    );
    assert.ok(reads < 2000, `${reads} reads`);
    let deep = target;
    for (let depth = 0; depth < 32; depth++) deep = await images.index(deep);
    await assert.rejects(imagePlatforms(images.store, deep), DataLossError);
  });
});
