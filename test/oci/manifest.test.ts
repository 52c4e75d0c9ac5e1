import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError, ResourceExhaustedError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeManifest, parseManifest } from "../../src/oci/manifest.js";
import {
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_MANIFEST,
} from "../../src/oci/media-types.js";
import { fixture, textOf } from "./documents.js";

const config = { mediaType: MEDIA_TYPE_IMAGE_CONFIG, digest: digestOf(new Uint8Array()), size: 0 };
const plain = { schemaVersion: 2, config, layers: [] };
const text = (more: object): string => JSON.stringify({ ...plain, ...more });

describe("parseManifest", () => {
  it("reads what containerd wrote, and writes the same bytes", () => {
    const bytes = fixture("image-manifest.blob");
    const manifest = parseManifest(bytes, { mediaType: MEDIA_TYPE_MANIFEST });
    assert.equal(manifest.layers.length, 1);
    assert.equal(textOf(encodeManifest(manifest)), textOf(bytes));
  });

  it("takes Docker's form and a missing type", () => {
    assert.equal(parseManifest(text({ mediaType: MEDIA_TYPE_DOCKER_MANIFEST })).mediaType, MEDIA_TYPE_DOCKER_MANIFEST);
    assert.equal("mediaType" in parseManifest(text({})), false);
    assert.deepEqual(parseManifest(text({ layers: null })).layers, []);
  });

  it("keeps fields it does not know, on every level", () => {
    const layer = { ...config, "com.example": { deep: [1, null, { __proto__: "x" }] } };
    const source = text({
      config: { ...config, extra: 1 },
      layers: [layer],
      odd: { b: 1, a: [] },
      annotations: { B: "1" },
    });
    const once = encodeManifest(parseManifest(source));
    assert.deepEqual(JSON.parse(textOf(once)), JSON.parse(source));
    assert.deepEqual(encodeManifest(parseManifest(once)), once);
  });

  it("refuses a type that is not a manifest's, or not the descriptor's", () => {
    assert.throws(() => parseManifest(text({ mediaType: MEDIA_TYPE_INDEX })), InvalidArgumentError);
    assert.throws(() => parseManifest(text({}), { mediaType: MEDIA_TYPE_INDEX }), InvalidArgumentError);
    assert.throws(
      () => parseManifest(text({ mediaType: MEDIA_TYPE_MANIFEST }), { mediaType: MEDIA_TYPE_DOCKER_MANIFEST }),
      /the document calls itself .* its descriptor calls it/,
    );
  });

  it("refuses what could be taken for something else, in any case of letters", () => {
    for (const field of ["manifests", "Manifests", "MANIFESTS", "fsLayers", "fslayers"]) {
      assert.throws(() => parseManifest(text({ [field]: [] })), /makes it ambiguous/, field);
    }
  });

  it("refuses what is no manifest", () => {
    const bad = ["", "nul", "null", "[]", "1", '"x"', "{}", text({ schemaVersion: 1 }), text({ schemaVersion: "2" })];
    bad.push(text({ config: null }), text({ layers: {} }), text({ layers: [1] }), text({ annotations: { a: {} } }));
    for (const source of bad) assert.throws(() => parseManifest(source), InvalidArgumentError, source);
    assert.throws(() => parseManifest(Uint8Array.of(0x7b, 0xff, 0x7d)), /expected UTF-8/);
  });

  it("measures before it parses", () => {
    const large = new Uint8Array(4 * 1024 * 1024 + 1);
    assert.throws(() => parseManifest(large), ResourceExhaustedError);
    assert.throws(() => parseManifest(text({}), { maxSize: 10 }), /expected at most 10 bytes, got \d+/);
    assert.throws(
      () => parseManifest(text({ annotations: { a: "é" } }), { maxSize: text({ annotations: { a: "é" } }).length }),
      ResourceExhaustedError,
    );
  });
});
