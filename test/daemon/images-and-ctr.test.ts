import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { checkImage, type PlatformCheck, walk } from "../../src/content/index.js";
import { isFailedPrecondition, isNotFound } from "../../src/errors.js";
import type { Client } from "../../src/index.js";
import { type Digest, formatPlatform, parsePlatform } from "../../src/oci/index.js";
import * as types from "../../src/oci/media-types.js";
import { packedLayer } from "../suites/image-client-suite.js";
import { nowhere, Samples } from "../suites/image-samples.js";
import { clientFor } from "./client.js";
import { discard, start } from "./counter.js";
import { humanBytes, ImageReference } from "./image-reference.js";
import { describeOnEachDaemon } from "./releases.js";

const here = parsePlatform(process.arch === "x64" ? "amd64" : process.arch);
const elsewhere = parsePlatform("s390x");

describeOnEachDaemon("images by our account and by ctr's", (daemon) => {
  let client: Client;
  let reference: ImageReference;
  const unpacked = ["single:1", "multi:1", "nested:1", "docker:1", "docker-list:1"];
  const broken = ["gap:1", "hollow:1", "elsewhere:1"];

  before(async () => {
    client = await clientFor(daemon(), "reference");
    reference = new ImageReference(daemon(), "reference");
    await using lease = await client.leases.create();
    const samples = new Samples({ store: client.content, call: { lease } });
    const [low, high] = [await packedLayer("low", 300_000), await packedLayer("high", 70_000)];
    const single = await samples.image(here, [low, high]);
    // The same layer twice, as tools that cannot leave out an empty one write it.
    const other = await samples.image(elsewhere, [low, await packedLayer("other", 999), low]);
    const docker = await samples.image(here, [low, await packedLayer("docker", 5_000)], { docker: true });
    const dockerOther = await samples.image(elsewhere, [low], { docker: true });
    const gap = await samples.image(here, [low, await packedLayer("gap", 2_000)]);
    const hollow = await samples.image(here, [low, await packedLayer("hollow", 2_000)]);
    const statement = await samples.image(nowhere, ["statement"]);
    const both = [
      { ...other.target, platform: elsewhere },
      { ...single.target, platform: here },
    ];
    const multi = await samples.index([
      ...both,
      { ...statement.target, platform: nowhere },
      { ...samples.lost("nowhere", types.MEDIA_TYPE_MANIFEST), platform: parsePlatform("ppc64le") },
    ]);
    const targets = {
      "single:1": single.target,
      "multi:1": multi,
      "nested:1": await samples.index([await samples.index(both)]),
      "docker:1": docker.target,
      "docker-list:1": await samples.index(
        [
          { ...docker.target, platform: here },
          { ...dockerOther.target, platform: elsewhere },
        ],
        { mediaType: types.MEDIA_TYPE_DOCKER_MANIFEST_LIST },
      ),
      "gap:1": await samples.index([{ ...gap.target, platform: here }]),
      "hollow:1": await samples.index([{ ...hollow.target, platform: here }]),
      "elsewhere:1": await samples.index([{ ...other.target, platform: elsewhere }]),
    };
    for (const [name, target] of Object.entries(targets)) await client.images.create(name, target, { lease });
    for (const name of unpacked) {
      await reference.ctr("snapshots", "--snapshotter", "overlayfs", "unpack", targets[name as "multi:1"].digest);
    }
    await client.content.delete(gap.layers[1]?.digest as Digest);
    await client.content.delete(hollow.target.digest);
    const { container } = await start(client, "frozen");
    await container.checkpoint("checkpoint:1");
    await discard(container);
  });
  after(() => client.close());

  const checkHere = async (name: string): Promise<PlatformCheck> => {
    const [check, ...others] = await (await client.images.get(name)).check({
      platform: here,
      snapshotters: ["overlayfs"],
    });
    assert.ok(check);
    assert.deepEqual(others, []);
    return check;
  };

  it("have the same size, type and platforms as ctr lists", async () => {
    for (const name of unpacked) {
      const image = await client.images.get(name);
      const listed = await reference.listed(name);
      assert.equal(listed.type, image.target.mediaType, name);
      assert.equal(listed.digest, image.target.digest, name);
      assert.equal(listed.size, humanBytes(await image.size()), name);
      const platforms = (await image.platforms()).map((platform) => formatPlatform(platform));
      // Before 2.0 ctr lists attestations too, as images for an unknown platform.
      const known = listed.platforms.filter((platform) => !platform.startsWith("unknown"));
      assert.deepEqual([...platforms].sort(), known, name);
    }
    const image = await client.images.get("gap:1");
    assert.equal((await reference.listed("gap:1")).size, humanBytes(await image.size()));
    await assert.rejects((await client.images.get("elsewhere:1")).size(), isNotFound);
    await assert.rejects((await client.images.get("hollow:1")).size(), isNotFound);
  });

  it("are as complete, and unpacked, as ctr finds them", async () => {
    for (const name of [...unpacked, ...broken]) {
      const check = await checkHere(name);
      const bytes = (of: PlatformCheck["required"]) => humanBytes(of.reduce((sum, { size }) => sum + size, 0));
      const state = check.available ? (check.complete ? "complete" : "incomplete") : "unavailable";
      const required = check.available ? `${check.required.length}` : "?";
      assert.deepEqual(
        await reference.checked(name),
        {
          status: `${state} (${check.present.length}/${required})`,
          size: `${bytes(check.present)}/${check.available ? bytes(check.required) : "?"}`,
          unpacked: `${check.unpacked.includes("overlayfs")}`,
        },
        name,
      );
      assert.equal(check.unpacked.length, unpacked.includes(name) ? 1 : 0, name);
    }
  });

  it("are unpacked to the chains ctr made, which take what ctr says", async () => {
    const keys = (await reference.ctr("snapshots", "--snapshotter", "overlayfs", "ls")).map(([key]) => key);
    for (const name of unpacked) {
      const image = await client.images.get(name);
      const { snapshots } = await image.usage({ snapshots: true });
      const { chainId } = await image.rootFS();
      assert.equal(snapshots[0]?.name, chainId, name);
      assert.equal(snapshots.length, 2, name);
      for (const { snapshotter, name: key, size, inodes } of snapshots) {
        assert.equal(snapshotter, "overlayfs");
        assert.ok(keys.includes(key), key);
        assert.deepEqual({ size, inodes }, await reference.snapshot(key));
      }
      if (!reference.hasUsage) continue;
      const lines = snapshots.map(({ name: key, size, inodes }) => `${key} ${humanBytes(size)} ${inodes}`);
      assert.deepEqual(await reference.chain(name), lines, name);
    }
  });

  it("take the bytes that lie on the daemon's disk", async () => {
    for (const name of [...unpacked, ...broken, "checkpoint:1"]) {
      const image = await client.images.get(name);
      let [present, missing] = [0, 0];
      for await (const { descriptor } of image.walk({ skipMissing: true })) {
        const size = await reference.blobSize(descriptor.digest);
        present += size ?? 0;
        missing += size === undefined ? descriptor.size : 0;
      }
      const usage = await image.usage();
      assert.deepEqual([usage.present, usage.missing, usage.total], [present, missing, present + missing], name);
      assert.equal(usage.partial, ["multi:1", "hollow:1"].includes(name), name);
    }
    const docker = await client.images.get("docker-list:1");
    assert.equal((await docker.usage({ manifestLimit: 1 })).total, await docker.size());
    assert.ok((await docker.usage({ manifestLimit: 0 })).total > (await docker.size()));
  });

  it("are a checkpoint, all parts of it, where ctr knows only the first", async () => {
    const image = await client.images.get("checkpoint:1");
    const listed = await reference.listed("checkpoint:1");
    assert.deepEqual([listed.type, listed.digest], [image.target.mediaType, image.target.digest]);
    const platforms = (await image.platforms()).map((platform) => formatPlatform(platform));
    assert.deepEqual(platforms, listed.platforms);
    assert.equal((await reference.checked("checkpoint:1")).status, "unavailable (0/?)");
    const [check] = await image.check();
    assert.deepEqual([check?.available, check?.complete, check?.missing], [true, true, []]);
    assert.deepEqual(check?.unpacked, ["overlayfs"]);
    let bytes = 0;
    for await (const { descriptor } of image.walk()) bytes += (await reference.blobSize(descriptor.digest)) ?? 0;
    assert.equal(await image.size(), bytes);
    await assert.rejects(image.config(), isFailedPrecondition);
  });

  it("are looked at platform by platform, in all snapshotters the daemon has", async () => {
    const image = await client.images.get("multi:1");
    const checks = await image.check();
    assert.deepEqual(
      checks.map(({ platform, complete, unpacked: into }) => `${platform?.architecture} ${complete} ${into.join()}`),
      ["s390x true ", `${here.architecture} true overlayfs`, "ppc64le false "],
    );
    const there = await checkImage(client.content, image.target);
    assert.deepEqual(
      there,
      checks.map((check) => ({ ...check, unpacked: [] })),
    );
    assert.equal((await image.config({ platform: elsewhere })).architecture, "s390x");
    assert.equal((await image.rootFS({ platform: elsewhere })).diffIds.length, 3);
    let nodes = 0;
    for await (const _ of walk(client.content, image.target, { platform: here })) nodes++;
    assert.equal(nodes, 5);
    await assert.rejects(image.config({ platform: parsePlatform("ppc64le") }), isNotFound);
  });
});
