import assert from "node:assert/strict";
import { it } from "node:test";
import { readImageConfig, readManifest, readRootFS } from "../../src/content/image-manifest.js";
import { imagePlatforms } from "../../src/content/image-platforms.js";
import { imageSize } from "../../src/content/image-size.js";
import { type WalkOptions, walk } from "../../src/content/walk.js";
import { isDataLoss, isFailedPrecondition, isInvalidArgument, isNotFound } from "../../src/errors.js";
import { chainId } from "../../src/oci/chain-id.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import * as types from "../../src/oci/media-types.js";
import { parsePlatform } from "../../src/oci/platform.js";
import { orderedPlatformMatcher } from "../../src/oci/platform-match.js";
import type { ContentBed } from "./content-bed.js";
import { amd64, arm64, armv6, nowhere, Samples, sizeOf } from "./image-samples.js";

export function documentCases(bed: ContentBed): void {
  const samples = new Samples(bed);
  const walked = async (root: Descriptor, options: WalkOptions = {}): Promise<string[]> => {
    const found: string[] = [];
    for await (const { descriptor, depth } of walk(bed.store, root, options)) {
      found.push(`${depth} ${descriptor.digest}`);
    }
    return found;
  };
  const read = async (target: Descriptor, platform = amd64) => {
    const { descriptor } = await readManifest(bed.store, target, { platform });
    const size = await imageSize(bed.store, target, { platform });
    return { digest: descriptor.digest, size };
  };

  for (const docker of [false, true]) {
    it(`reads an image and an index of several, ${docker ? "Docker's" : "OCI's"}`, async () => {
      const one = await samples.image(amd64, ["base", "amd64"], { docker });
      const two = await samples.image(arm64, ["base", "arm64"], { docker });
      const mediaType = docker ? types.MEDIA_TYPE_DOCKER_MANIFEST_LIST : types.MEDIA_TYPE_INDEX;
      const index = await samples.index(
        [
          { ...one.target, platform: amd64 },
          { ...two.target, platform: arm64 },
        ],
        { mediaType },
      );
      const bytes = sizeOf(one.target, one.config, ...one.layers);
      assert.deepEqual(await read(one.target, arm64), { digest: one.target.digest, size: bytes });
      assert.deepEqual(await read(index), { digest: one.target.digest, size: bytes + index.size });
      assert.equal((await read(index, arm64)).digest, two.target.digest);
      assert.equal((await readImageConfig(bed.store, index, { platform: arm64 })).architecture, "arm64");
      assert.deepEqual(await readImageConfig(bed.store, one.config), await readImageConfig(bed.store, one.target));
      const { diffIds, chainId: top } = await readRootFS(bed.store, index, { platform: amd64 });
      assert.equal(diffIds.length, 2);
      assert.equal(top, chainId(diffIds));
      assert.deepEqual(await imagePlatforms(bed.store, index), [amd64, arm64]);
      assert.deepEqual(await imagePlatforms(bed.store, two.target), [arm64]);
      assert.deepEqual(await walked(index), [
        `0 ${index.digest}`,
        `1 ${one.target.digest}`,
        `2 ${one.config.digest}`,
        ...one.layers.map(({ digest }) => `2 ${digest}`),
        `1 ${two.target.digest}`,
        `2 ${two.config.digest}`,
        `2 ${two.layers[1]?.digest}`,
      ]);
    });
  }

  it("finds the best match, strict when asked, through nested indexes", async () => {
    const [v6, v5] = [await samples.image(armv6, ["6"]), await samples.image({ ...armv6, variant: "v5" }, ["5"])];
    const told = await samples.index([
      { ...v5.target, platform: { ...armv6, variant: "5" } },
      { ...v6.target, platform: { os: "linux", architecture: "armel" } },
    ]);
    const outer = await samples.index([await samples.index([v5.target]), await samples.index([told])]);
    for (const root of [told, outer]) {
      assert.equal((await read(root, parsePlatform("linux/arm/v5"))).digest, v5.target.digest);
    }
    assert.equal((await read(told, parsePlatform("linux/arm"))).digest, v6.target.digest);
    assert.equal((await read(told, parsePlatform("linux/aarch64"))).digest, v6.target.digest);
    await assert.rejects(read(told), isNotFound);
    const platform = orderedPlatformMatcher(parsePlatform("linux/arm"));
    await assert.rejects(readManifest(bed.store, told, { platform }), /for the platforms wanted/);
    assert.deepEqual(
      (await imagePlatforms(bed.store, outer)).map(({ variant }) => variant),
      ["v5", undefined],
    );
  });

  it("takes one manifest for several platforms, and versions of Windows apart", async () => {
    const { target } = await samples.image(armv6, ["6"]);
    const windows = { os: "windows", architecture: "amd64" };
    const [old, recent] = [await samples.image(windows, ["a"]), await samples.image(windows, ["b"])];
    const platforms = [
      { ...windows, "os.version": "10.0.17763.1" },
      { ...windows, "os.version": "10.0.20348.1" },
    ];
    const index = await samples.index([
      { ...target, platform: armv6 },
      { ...target, platform: arm64 },
      { ...old.target, platform: platforms[0] ?? windows },
      { ...recent.target, platform: platforms[1] ?? windows },
      { ...recent.target, platform: platforms[1] ?? windows },
    ]);
    assert.deepEqual(await imagePlatforms(bed.store, index), [armv6, arm64, ...platforms]);
    for (const platform of [armv6, arm64]) assert.equal((await read(index, platform)).digest, target.digest);
    assert.equal((await read(index, platforms[0])).digest, old.target.digest);
    assert.equal((await read(index, { ...windows, "os.version": "10.0.22621" })).digest, recent.target.digest);
  });

  it("walks one platform, or so many", async () => {
    const [one, two] = [await samples.image(amd64, ["1"]), await samples.image(arm64, ["2"])];
    const silent = await samples.image(armv6, ["3"]);
    const told = [
      { ...one.target, platform: amd64 },
      { ...two.target, platform: arm64 },
    ];
    const index = await samples.index([...told, silent.target]);
    const manifests = async (options: WalkOptions) =>
      (await walked(index, options)).filter((line) => line.startsWith("1 ")).map((line) => line.slice(2));
    const [a, b, c] = [one, two, silent].map(({ target }) => target.digest);
    assert.deepEqual(await manifests({}), [a, b, c]);
    assert.deepEqual(await manifests({ platform: amd64 }), [a, c]);
    assert.deepEqual(await manifests({ platform: arm64, manifestLimit: 1 }), [b]);
    assert.deepEqual(await manifests({ manifestLimit: 2 }), [a, b]);
    assert.deepEqual(await manifests({ platform: orderedPlatformMatcher(arm64, amd64), manifestLimit: 2 }), [b, a]);
    assert.deepEqual(await manifests({ platform: parsePlatform("s390x"), manifestLimit: 1 }), [c]);
    const silentFirst = await samples.index([silent.target, ...told]);
    const first = await walked(silentFirst, { platform: arm64, manifestLimit: 1 });
    assert.equal(first[1], `1 ${b}`);
    for (const bad of [-1, 0.5]) await assert.rejects(manifests({ manifestLimit: bad }), isInvalidArgument);
  });

  it("takes a checkpoint as it is: its parts are no manifests", async () => {
    const { target, parts } = await samples.checkpoint();
    const all = [`0 ${target.digest}`, ...parts.map(({ digest }) => `1 ${digest}`)];
    assert.deepEqual(await walked(target), all);
    assert.deepEqual(await walked(target, { platform: arm64, manifestLimit: 1 }), all);
    assert.equal(await imageSize(bed.store, target), sizeOf(target, ...parts));
    assert.deepEqual(await imagePlatforms(bed.store, target), [amd64]);
    await assert.rejects(readManifest(bed.store, target, { platform: amd64 }), isFailedPrecondition);

    const [base, other] = [await samples.image(amd64, ["base"]), await samples.image(arm64, ["other"])];
    const image = await samples.index([
      { ...base.target, platform: amd64 },
      { ...other.target, platform: arm64 },
    ]);
    const whole = await samples.index([image, ...parts]);
    const needed = [image, base.target, base.config, ...base.layers, ...parts];
    assert.equal(await imageSize(bed.store, whole, { platform: arm64 }), sizeOf(whole, ...needed));
    assert.deepEqual(await imagePlatforms(bed.store, whole), [amd64]);
    await assert.rejects(readImageConfig(bed.store, whole, { platform: amd64 }), isFailedPrecondition);
    const among = await samples.index([whole, image]);
    assert.equal((await read(among)).digest, base.target.digest);
  });

  it("takes artifacts and attestations as what they are", async () => {
    const { target: image } = await samples.image(amd64, ["layer"]);
    const empty = await samples.blob("{}", types.MEDIA_TYPE_EMPTY_JSON);
    const statement = await samples.blob("[]", "application/vnd.in-toto+json");
    const artifact = await samples.manifest({
      artifactType: "application/vnd.example",
      config: empty,
      layers: [statement],
      subject: image,
    });
    const own = [artifact, empty, statement].map(({ digest }, at) => `${Math.min(at, 1)} ${digest}`);
    assert.deepEqual(await walked(artifact), own);
    assert.deepEqual((await walked(artifact, { subjects: true })).slice(0, 4), [...own, `1 ${image.digest}`]);
    assert.equal((await readManifest(bed.store, artifact)).manifest.artifactType, "application/vnd.example");
    await assert.rejects(readImageConfig(bed.store, artifact), isFailedPrecondition);
    assert.deepEqual(await imagePlatforms(bed.store, artifact), []);
    const lost = await samples.manifest({
      config: empty,
      layers: [],
      subject: samples.lost("gone", types.MEDIA_TYPE_MANIFEST),
    });
    await assert.rejects(walked(lost, { subjects: true }), isNotFound);
    assert.equal((await walked(lost, { subjects: true, skipMissing: true })).length, 3);

    const attested = await samples.index([
      { ...artifact, platform: nowhere },
      { ...image, platform: amd64 },
    ]);
    assert.equal((await read(attested)).digest, image.digest);
    assert.deepEqual(await imagePlatforms(bed.store, attested), [amd64]);
    assert.ok((await walked(attested)).includes(`2 ${statement.digest}`));
    const half = await samples.index([{ ...artifact, platform: { ...nowhere, os: "linux" } }]);
    assert.deepEqual(await imagePlatforms(bed.store, half), []);
  });

  it("passes over what was never fetched, and says when the target itself is not there", async () => {
    const one = await samples.image(amd64, ["1"]);
    const gone = samples.lost("gone", types.MEDIA_TYPE_MANIFEST);
    const index = await samples.index([gone, samples.lost("nested", types.MEDIA_TYPE_INDEX), one.target]);
    assert.equal((await read(index)).digest, one.target.digest);
    assert.deepEqual(await imagePlatforms(bed.store, index), [amd64]);
    await assert.rejects(walked(index), isNotFound);
    assert.equal((await walked(index, { skipMissing: true })).length, 6);
    for (const mediaType of [types.MEDIA_TYPE_MANIFEST, types.MEDIA_TYPE_INDEX]) {
      const target = samples.lost("target", mediaType);
      await assert.rejects(walked(target, { skipMissing: true }), isNotFound);
      await assert.rejects(imagePlatforms(bed.store, target), isNotFound);
      await assert.rejects(imageSize(bed.store, target), isNotFound);
      await assert.rejects(readManifest(bed.store, target), isNotFound);
    }
  });

  it("believes no document that is not what its descriptor says", async () => {
    const { target, config } = await samples.image(amd64, ["1"]);
    const functions = [walked, imagePlatforms.bind(undefined, bed.store), read];
    for (const look of functions) {
      await assert.rejects(look({ ...target, mediaType: types.MEDIA_TYPE_INDEX }), isInvalidArgument);
      await assert.rejects(look({ ...target, mediaType: types.MEDIA_TYPE_DOCKER_MANIFEST }), isInvalidArgument);
      await assert.rejects(look({ ...target, size: target.size - 1 }), isDataLoss);
      await assert.rejects(look({ ...target, size: target.size + 1 }), isDataLoss);
    }
    await assert.rejects(read(config), isFailedPrecondition);
    const inner = await samples.index([target]);
    const outer = await samples.index([{ ...inner, size: inner.size + 1 }]);
    for (const look of functions) await assert.rejects(look(outer), isDataLoss);
    const both = { schemaVersion: 2, config, layers: [], manifests: [] };
    const ambiguous = await samples.blob(JSON.stringify(both), types.MEDIA_TYPE_MANIFEST);
    for (const look of functions) await assert.rejects(look(ambiguous), /ambiguous/);
  });

  it("takes what a descriptor carries, when it is what the descriptor says", async () => {
    const { target } = await samples.image(amd64, ["1"]);
    const { manifest } = await readManifest(bed.store, target);
    const text = JSON.stringify({ ...amd64, rootfs: { type: "layers", diff_ids: [] } });
    const lost = samples.lost(text, types.MEDIA_TYPE_IMAGE_CONFIG);
    const carrying = { ...lost, data: Buffer.from(text).toString("base64") };
    const carried = await samples.manifest({ config: carrying, layers: manifest.layers });
    assert.deepEqual((await readRootFS(bed.store, carried)).diffIds, []);
    const wrong = await samples.manifest({ config: { ...carrying, data: "e30=" }, layers: [] });
    await assert.rejects(readRootFS(bed.store, wrong), isNotFound);
  });
}
