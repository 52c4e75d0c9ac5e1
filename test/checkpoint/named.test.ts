import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeManifest, parseManifest } from "../../src/checkpoint/named/manifest.js";
import { checkpointImageName, checkpointNameOf, isCheckpointName } from "../../src/checkpoint/named/name.js";
import type { NamedCheckpoint } from "../../src/checkpoint/named/named-checkpoint.js";
import { planRetention } from "../../src/checkpoint/named/retention.js";
import { isInvalidArgument } from "../../src/errors.js";

const now = new Date("2026-01-01T00:00:00Z");

function aged(ageMs: number, more: Partial<NamedCheckpoint> = {}): NamedCheckpoint {
  const createdAt = new Date(now.getTime() - ageMs);
  const name = `cp-${ageMs}`;
  return {
    name,
    createdAt,
    bytes: 10,
    origin: { engine: "containerd" },
    image: {},
    runtime: {},
    annotations: {},
    ...more,
  };
}

function left(rules: Parameters<typeof planRetention>[1], checkpoints: readonly NamedCheckpoint[]): string[] {
  const { kept, gone } = planRetention(checkpoints, rules, now);
  assert.equal(kept.length + gone.length, checkpoints.length);
  assert.ok(gone.every(({ why }) => why !== ""));
  return kept.map(({ name }) => name);
}

describe("names of checkpoints", () => {
  it("are Docker's, without a dot at the end", () => {
    for (const good of ["c1", "a.b", "1-", "x_y.z-0", "a".repeat(255)]) assert.ok(isCheckpointName(good), good);
    for (const bad of ["", "c", ".a", "-a", "_a", "a.", "a/b", "a b", "a\n", "..", "ä1", "a".repeat(256)])
      assert.ok(!isCheckpointName(bad), bad);
  });

  it("become names of images and come back", () => {
    const image = checkpointImageName("my.container-1", "v1");
    assert.equal(image, "containerd.io/checkpoint/my.container-1:v1");
    assert.equal(checkpointNameOf("my.container-1", image), "v1");
    assert.equal(checkpointNameOf("my.container", image), undefined);
    // What containerd itself calls the checkpoint of a task has a time for a name.
    assert.equal(checkpointNameOf("c1", "containerd.io/checkpoint/c1:08-22-2026-17:21:51"), undefined);
  });
});

describe("retention", () => {
  const four = [aged(30), aged(10), aged(40), aged(20)];

  it("keeps everything when there is no rule", () => {
    assert.deepEqual(left({}, four), ["cp-10", "cp-20", "cp-30", "cp-40"]);
  });

  it("keeps the newest, or those of a time, or either", () => {
    assert.deepEqual(left({ keepLast: 2 }, four), ["cp-10", "cp-20"]);
    assert.deepEqual(left({ keepLast: 0 }, four), []);
    assert.deepEqual(left({ keepWithinMs: 35 }, four), ["cp-10", "cp-20", "cp-30"]);
    assert.deepEqual(left({ keepLast: 1, keepWithinMs: 25 }, four), ["cp-10", "cp-20"]);
    assert.deepEqual(left({ keepLast: 3, keepWithinMs: 15 }, four), ["cp-10", "cp-20", "cp-30"]);
  });

  it("keeps no more bytes than allowed, and nothing older than what was too much", () => {
    assert.deepEqual(left({ maxBytes: 25 }, four), ["cp-10", "cp-20"]);
    assert.deepEqual(left({ keepLast: 1, maxBytes: 100 }, four), ["cp-10"]);
    assert.deepEqual(left({ maxBytes: 25 }, [aged(1), aged(2, { bytes: 100 }), aged(3)]), ["cp-1"]);
    assert.deepEqual(left({ maxBytes: 0 }, four), []);
  });

  it("removes what has expired, whatever else is said, and does not count it", () => {
    const expired = aged(5, { expiresAt: new Date(now.getTime() - 1), bytes: 1000 });
    const { gone } = planRetention([expired, ...four], { keepLast: 4, maxBytes: 40 }, now);
    assert.deepEqual(gone, [{ checkpoint: expired, why: "it expired at 2025-12-31T23:59:59.999Z" }]);
  });

  it("says the rule, and the oldest first", () => {
    const { gone } = planRetention(four, { keepLast: 2, keepWithinMs: 15 }, now);
    assert.deepEqual(
      gone.map(({ checkpoint, why }) => [checkpoint.name, why]),
      ["cp-40", "cp-30"].map((name) => [name, "it is none of the newest 2 and it is older than 15 ms"]),
    );
  });

  it("refuses rules that are no whole numbers", () => {
    for (const rules of [{ keepLast: -1 }, { keepWithinMs: 1.5 }, { maxBytes: Number.NaN }])
      assert.throws(() => planRetention([], rules, now), isInvalidArgument);
  });
});

describe("the manifest of a checkpoint directory", () => {
  const manifest = {
    createdAt: now,
    expiresAt: new Date(now.getTime() + 1000),
    containerId: "c1",
    namespace: "default",
    image: { name: "docker.io/library/x:1" },
    runtime: "io.containerd.runc.v2",
    snapshotter: "overlayfs",
    spec: { ociVersion: "1.2.0", linux: { resources: { memory: { limit: 9223372036854775807n } } } },
    files: [{ name: "core-1.img", size: 12 }],
  };

  it("comes back as it was written, with numbers beyond a double", () => {
    assert.deepEqual(parseManifest(Buffer.from(encodeManifest(manifest))), manifest);
  });

  it("is refused when it is damaged, of another version, or leads elsewhere", () => {
    const good = JSON.stringify({ schemaVersion: 1, createdAt: now.toISOString(), files: [] });
    for (const bad of [
      good.replace('"schemaVersion":1', '"schemaVersion":2'),
      good.replace(now.toISOString(), "yesterday"),
      good.replace("[]", '[{"name":"../x","size":1}]'),
      good.replace("[]", '[{"name":"x","size":-1}]'),
      good.slice(0, -1),
    ]) {
      assert.throws(() => parseManifest(Buffer.from(bad)), isInvalidArgument, bad);
    }
    parseManifest(Buffer.from(good));
  });
});
