import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkpointIndex, parseCheckpoint, readCheckpoint } from "../../src/checkpoint/document.js";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import { DataLossError, InvalidArgumentError, NotFoundError } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeIndex, type Index } from "../../src/oci/image-index.js";
import { MEDIA_TYPE_INDEX, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_MANIFEST } from "../../src/oci/media-types.js";
import { providerOf } from "./provider.js";

const part = (mediaType: string): Descriptor => ({
  mediaType,
  digest: digestOf(Buffer.from(mediaType)),
  size: mediaType.length,
});
const task = part(CheckpointMediaType.task);
const spec = part(CheckpointMediaType.spec);
const criuOptions = part(CheckpointMediaType.criuOptions);
const runtimeOptions = part(CheckpointMediaType.runtimeOptions);
const rw = part(MEDIA_TYPE_LAYER_GZIP);
const image = part(MEDIA_TYPE_MANIFEST);
const foreign = part("application/x-mine");

const whole = (): Index =>
  checkpointIndex({
    containerId: "c1",
    createdAt: new Date(1_700_000_000_000),
    image: {
      name: "docker.io/library/a:1",
      digest: image.digest,
      chainId: digestOf(Buffer.from("chain")),
      descriptor: image,
    },
    runtime: "io.containerd.runc.v2",
    runtimeOptions,
    snapshotter: "overlayfs",
    rw,
    task,
    spec,
    criuOptions,
    others: [foreign],
    annotations: { mine: "1" },
  });

describe("checkpointIndex", () => {
  it("lists the parts in ctr's order and writes containerd's three annotations", () => {
    const index = whole();
    assert.deepEqual(index.manifests, [runtimeOptions, image, rw, task, spec, criuOptions, foreign]);
    assert.equal(index.annotations?.["org.opencontainers.image.ref.name"], "docker.io/library/a:1");
    assert.equal(index.annotations?.["io.containerd.checkpoint.runtime"], "io.containerd.runc.v2");
    assert.equal(index.annotations?.["io.containerd.checkpoint.snapshotter"], "overlayfs");
    assert.equal(index.annotations?.["mine"], "1");
  });

  it("is read back as it was made", async () => {
    const bytes = encodeIndex(whole());
    const target = { mediaType: MEDIA_TYPE_INDEX, digest: digestOf(bytes), size: bytes.length };
    const checkpoint = await readCheckpoint(providerOf(bytes), target);
    assert.equal(checkpoint.containerId, "c1");
    assert.deepEqual(checkpoint.createdAt, new Date(1_700_000_000_000));
    assert.deepEqual(checkpoint.image.descriptor, image);
    assert.equal(checkpoint.image.digest, image.digest);
    assert.equal(checkpoint.image.chainId, digestOf(Buffer.from("chain")));
    assert.deepEqual(checkpoint.runtime, { name: "io.containerd.runc.v2", options: runtimeOptions });
    assert.deepEqual(
      [checkpoint.task, checkpoint.spec, checkpoint.rw, checkpoint.criuOptions],
      [task, spec, rw, criuOptions],
    );
    assert.deepEqual(checkpoint.others, [foreign]);
  });
});

describe("parseCheckpoint", () => {
  const target = { mediaType: MEDIA_TYPE_INDEX, digest: digestOf(Buffer.from("t")), size: 1 };

  it("reads what containerd's own task checkpoint writes", () => {
    const index: Index = { schemaVersion: 2, manifests: [task, spec, image, rw], annotations: { "image.name": "a:1" } };
    const checkpoint = parseCheckpoint(index, target);
    assert.equal(checkpoint.image.name, "a:1");
    assert.deepEqual(checkpoint.runtime, {});
    assert.equal(checkpoint.snapshotter, undefined);
    assert.deepEqual(checkpoint.image.descriptor, image);
  });

  it("reads one that has no memory, only runtime and snapshotter", () => {
    const index: Index = { schemaVersion: 2, manifests: [], annotations: { "io.containerd.checkpoint.runtime": "r" } };
    assert.equal(parseCheckpoint(index, target).runtime.name, "r");
  });

  it("refuses an index that is no checkpoint", () => {
    assert.throws(() => parseCheckpoint({ schemaVersion: 2, manifests: [image] }, target), InvalidArgumentError);
  });

  for (const [what, twice] of Object.entries({ task, spec, rw, runtimeOptions })) {
    it(`refuses two of ${what}: which one counts is anybody's guess`, () => {
      const other = { ...twice, digest: digestOf(Buffer.from("other")) };
      assert.throws(() => parseCheckpoint({ schemaVersion: 2, manifests: [twice, other] }, target), /2 parts/);
    });
  }

  it("refuses annotations that name another base image than it contains", () => {
    const annotations = { "containerd-client.checkpoint.image.digest": digestOf(Buffer.from("another")) };
    assert.throws(
      () => parseCheckpoint({ schemaVersion: 2, manifests: [task, image], annotations }, target),
      InvalidArgumentError,
    );
  });
});

describe("readCheckpoint", () => {
  const bytes = encodeIndex(whole());
  const target = { mediaType: MEDIA_TYPE_INDEX, digest: digestOf(bytes), size: bytes.length };

  it("refuses a manifest", async () => {
    await assert.rejects(
      readCheckpoint(providerOf(bytes), { ...target, mediaType: MEDIA_TYPE_MANIFEST }),
      InvalidArgumentError,
    );
  });

  it("notices bytes that are not what the descriptor says", async () => {
    const flipped = Uint8Array.from(bytes);
    flipped[10] = (flipped[10] ?? 0) ^ 1;
    const provider = providerOf(bytes, new Map([[target.digest, flipped]]));
    await assert.rejects(readCheckpoint(provider, target), DataLossError);
  });

  it("says when it is not there", async () => {
    await assert.rejects(readCheckpoint(providerOf(), target), NotFoundError);
  });
});
