import assert from "node:assert/strict";
import { it } from "node:test";
import { checkImage, type PlatformCheck } from "../../src/content/image-check.js";
import type { Provider } from "../../src/content/store.js";
import { isDataLoss } from "../../src/errors.js";
import { chainId } from "../../src/oci/chain-id.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import * as types from "../../src/oci/media-types.js";
import type { ContentBed } from "./content-bed.js";
import { amd64, arm64, nowhere, Samples } from "./image-samples.js";

export function checkCases(bed: ContentBed): void {
  const samples = new Samples(bed);
  const brief = ({ platform, available, present, required, complete }: PlatformCheck): string =>
    `${platform?.architecture} ${available ? `${present.length}/${required.length}` : "unavailable"} ${complete}`;
  const checked = async (target: Descriptor, platform = amd64) =>
    (await checkImage(bed.store, target, { platform })).map((check) => brief(check));

  it("looks for what each platform needs", async () => {
    const one = await samples.image(amd64, ["base", "one"]);
    const two = await samples.image(arm64, ["base", "two"]);
    const attestation = await samples.image(nowhere, ["statement"]);
    const gone = { ...samples.lost("gone", types.MEDIA_TYPE_MANIFEST), platform: { os: "linux", architecture: "386" } };
    const index = await samples.index([
      { ...attestation.target, platform: nowhere },
      { ...one.target, platform: amd64 },
      two.target,
      gone,
      samples.lost("nested", types.MEDIA_TYPE_INDEX),
    ]);
    const [base, own] = one.layers;
    assert.ok(base && own);
    await bed.store.delete(own.digest);
    const bare: Provider = { read: (target, options) => bed.store.read(target, options) };
    for (const provider of [bed.store, bare]) {
      const checks = await checkImage(provider, index);
      assert.deepEqual(checks.map(brief), [
        "amd64 2/3 false",
        "arm64 3/3 true",
        "386 unavailable false",
        "undefined unavailable false",
      ]);
      const [first, second] = checks;
      assert.deepEqual(first?.required, [one.config, base, own]);
      assert.deepEqual(first?.present, [one.config, base]);
      assert.deepEqual(first?.missing, [own]);
      assert.equal(second?.manifest.digest, two.target.digest);
      const diffIds = ["base", "two"].map((text) => digestOf(Buffer.from(`unpacked ${text}`)));
      assert.equal(second?.chainId, chainId(diffIds));
      assert.deepEqual(second?.unpacked, []);
    }
    assert.deepEqual(await checked(index), ["amd64 2/3 false"]);
    assert.deepEqual(await checked(index, arm64), ["arm64 3/3 true"]);
    const [best] = await checkImage(bed.store, index, { platform: arm64 });
    assert.equal(best?.manifest.digest, two.target.digest);
    const [none] = await checkImage(bed.store, index, { platform: { os: "linux", architecture: "s390x" } });
    assert.deepEqual([none?.available, none?.missing], [false, [index]]);
  });

  it("asks where the layers are unpacked", async () => {
    const image = await samples.image(amd64, ["a", "b"]);
    const bottomless = await samples.image(amd64, []);
    const asked: string[] = [];
    const unpackedInto = async (name: string) => {
      asked.push(name);
      return ["overlayfs"];
    };
    const [check] = await checkImage(bed.store, image.target, { unpackedInto });
    assert.deepEqual(check?.unpacked, ["overlayfs"]);
    assert.deepEqual(asked, [check?.chainId]);
    const [empty] = await checkImage(bed.store, bottomless.target, { unpackedInto });
    assert.deepEqual([empty?.complete, empty?.chainId, empty?.unpacked], [true, undefined, []]);
    await bed.store.delete(image.config.digest);
    const [unknown] = await checkImage(bed.store, image.target, { unpackedInto });
    assert.deepEqual([unknown?.complete, unknown?.chainId, unknown?.unpacked], [false, undefined, []]);
    assert.deepEqual([unknown?.available, unknown?.present], [true, image.layers]);
    assert.equal(asked.length, 1);
  });

  it("looks for all parts of a checkpoint", async () => {
    const { target, parts } = await samples.checkpoint();
    const [check, ...others] = await checkImage(bed.store, target);
    assert.deepEqual(others, []);
    assert.deepEqual(check?.required, parts);
    assert.deepEqual([check?.platform, check?.manifest, check?.complete], [amd64, target, true]);
    await bed.store.delete(parts[0]?.digest ?? "sha256:");
    assert.deepEqual((await checkImage(bed.store, target)).map(brief), ["amd64 2/3 false"]);
    assert.deepEqual(await checked(target, arm64), ["undefined unavailable false"]);
  });

  it("looks for the image in a checkpoint, for its platform alone", async () => {
    const { parts } = await samples.checkpoint();
    const base = await samples.image(amd64, ["base"]);
    const gone = { ...samples.lost("gone", types.MEDIA_TYPE_MANIFEST), platform: arm64 };
    const image = await samples.index([{ ...base.target, platform: amd64 }, gone]);
    const whole = await samples.index([...parts, image]);
    const unpackedInto = async () => ["native"];
    const [check, ...others] = await checkImage(bed.store, whole, { unpackedInto });
    assert.deepEqual(others, []);
    assert.deepEqual(check?.required, [
      ...parts,
      image,
      { ...base.target, platform: amd64 },
      base.config,
      ...base.layers,
    ]);
    assert.deepEqual([check.complete, check.unpacked], [true, ["native"]]);
    assert.equal(check.chainId, digestOf(Buffer.from("unpacked base")));
    await bed.store.delete(base.target.digest);
    const [lost] = await checkImage(bed.store, whole);
    assert.deepEqual([lost?.complete, lost?.missing, lost?.present], [false, [image], parts]);
  });

  it("looks for what artifacts need, and for what stands in an index by itself", async () => {
    const empty = await samples.blob("{}", types.MEDIA_TYPE_EMPTY_JSON);
    const [one, two] = [await samples.blob("1", "text/plain"), await samples.blob("2", "text/plain")];
    const artifact = await samples.manifest({ artifactType: "text/plain", config: empty, layers: [one] });
    const index = await samples.index([artifact, { ...one, platform: arm64 }, two]);
    const [first, second, ...others] = await checkImage(bed.store, index);
    assert.deepEqual([first?.platform, first?.required, first?.complete], [undefined, [empty, one], true]);
    assert.deepEqual([second?.platform, second?.manifest, second?.complete], [arm64, index, true]);
    assert.deepEqual(second?.required, [{ ...one, platform: arm64 }, two]);
    assert.deepEqual(others, []);
  });

  it("misses what stands outside of it, and a target that is not there", async () => {
    const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const image = await samples.image(amd64, ["a", "b"], { docker: true, layerTypes: [foreign] });
    await bed.store.delete(image.layers[0]?.digest ?? "sha256:");
    assert.deepEqual(await checked(image.target), ["amd64 2/3 false"]);
    for (const mediaType of [types.MEDIA_TYPE_MANIFEST, types.MEDIA_TYPE_INDEX]) {
      const lost = samples.lost("lost", mediaType);
      const [check] = await checkImage(bed.store, lost);
      assert.deepEqual([check?.available, check?.required, check?.missing], [false, [lost], [lost]]);
      assert.deepEqual(await checked(lost), ["undefined unavailable false"]);
    }
    const none = await samples.index([]);
    assert.deepEqual(await checkImage(bed.store, none), []);
  });

  it("notices a blob of another size than its descriptor says", async () => {
    const layer = await samples.blob("layer", types.MEDIA_TYPE_LAYER);
    const config = await samples.blob("{}", types.MEDIA_TYPE_EMPTY_JSON);
    const target = await samples.manifest({ config, layers: [{ ...layer, size: 4 }] });
    await assert.rejects(checkImage(bed.store, target), isDataLoss);
  });
}
