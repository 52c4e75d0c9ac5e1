import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError, isInvalidArgument, ResourceExhaustedError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { parseImageConfig } from "../../src/oci/image-config.js";
import { parseIndex } from "../../src/oci/image-index.js";
import { parseJsonObject } from "../../src/oci/json.js";
import { parseManifest } from "../../src/oci/manifest.js";
import * as types from "../../src/oci/media-types.js";

const digest = digestOf(new Uint8Array());
const part = `{"mediaType":"${types.MEDIA_TYPE_IMAGE_CONFIG}","digest":"${digest}","size":0}`;
const manifestText = `{"schemaVersion":2,"config":${part},"layers":[]}`;
const indexText = `{"schemaVersion":2,"manifests":[${part}]}`;
const configText = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}';

describe("documents", () => {
  it("are what their descriptor calls them", () => {
    const indexes = [types.MEDIA_TYPE_INDEX, types.MEDIA_TYPE_DOCKER_MANIFEST_LIST];
    const manifests = [types.MEDIA_TYPE_MANIFEST, types.MEDIA_TYPE_DOCKER_MANIFEST];
    for (const mediaType of indexes) {
      parseIndex(indexText, { mediaType });
      assert.throws(() => parseIndex(manifestText, { mediaType }), InvalidArgumentError);
      assert.throws(() => parseManifest(manifestText, { mediaType }), InvalidArgumentError);
    }
    for (const mediaType of manifests) {
      parseManifest(manifestText, { mediaType });
      assert.throws(() => parseManifest(indexText, { mediaType }), InvalidArgumentError);
      assert.throws(() => parseIndex(indexText, { mediaType }), InvalidArgumentError);
    }
    for (const mediaType of [...indexes, ...manifests]) {
      const isIndex = indexes.includes(mediaType);
      const text = (isIndex ? indexText : manifestText).replace("{", `{"mediaType":"${mediaType}",`);
      const parse = isIndex ? parseIndex : parseManifest;
      parse(text, { mediaType });
      for (const other of [...indexes, ...manifests].filter((one) => one !== mediaType)) {
        assert.throws(() => parse(text, { mediaType: other }), InvalidArgumentError, `${mediaType} as ${other}`);
      }
    }
    const schema1 = `{"schemaVersion":1,"fsLayers":[],"name":"x"}`;
    for (const text of [schema1, schema1.replace("1", "2")]) {
      assert.throws(() => parseManifest(text), InvalidArgumentError);
      assert.throws(() => parseIndex(text), InvalidArgumentError);
    }
  });

  it("are refused when they have a key twice, however it is written", () => {
    const twice = [
      `{"schemaVersion":2,"manifests":[],"manifests":[${part}]}`,
      `{"schemaVersion":2,"manifests":[],"manifest\\u0073":[${part}]}`,
      `{"schemaVersion":2,"manifests":[],"annotations":{"a":"1","b":"[{","a":"2"}}`,
      `{"schemaVersion":2,"manifests":[{"size":1,${part.slice(1)}]}`,
      `{"schemaVersion":2,"manifests":[],"odd":[1,{"x":[],"x":{}}]}`,
      `{"schemaVersion":2,"manifests":[],"__proto__":1,"__proto__":2}`,
    ];
    for (const text of twice) assert.throws(() => parseIndex(text), /twice in one place/, text);
    assert.throws(() => parseImageConfig(configText.replace("{", '{"os":"windows",')), /"os" twice/);
    parseIndex(`{"schemaVersion":2,"manifests":[],"odd":[{"x":1},{"x":1},"x","x",{"y":{"x":"x"}}]}`);
  });

  it("are refused when Go would take one field for another", () => {
    const lookalikes: readonly [parse: (text: string) => unknown, text: string, field: string, like: string][] = [
      [parseIndex, indexText, "manifests", "Manifests"],
      [parseIndex, indexText, "manifests", "manife\u017fts"],
      [parseIndex, indexText, "size", "SIZE"],
      [parseIndex, indexText, "digest", "Digest"],
      [parseManifest, manifestText, "layers", "layer\u017f"],
      [parseManifest, manifestText, "layers", "Subject"],
      [parseImageConfig, configText, "rootfs", "rootFS"],
      [parseImageConfig, configText, "diff_ids", "DIFF_IDS"],
      [parseImageConfig, configText, "architecture", "Variant"],
    ];
    for (const [parse, text, field, like] of lookalikes) {
      parse(text);
      assert.throws(() => parse(text.replace(`"${field}"`, `"${like}":null,"${field}"`)), /can be taken for/, like);
    }
    parseIndex(indexText.replace("{", '{"annotations":{"Size":"1","size":"2"},'));
  });

  it("are measured before they are parsed", () => {
    const large = new Uint8Array(4 * 1024 * 1024 + 1).fill(0x20);
    for (const parse of [parseIndex, parseManifest, parseImageConfig]) {
      assert.throws(() => parse(large), ResourceExhaustedError);
      assert.throws(() => parse("[".repeat(1_000_000)), /nested deeper than 512/);
      assert.throws(() => parse(`{"a":${"[".repeat(511)}${"]".repeat(511)}}`), InvalidArgumentError);
    }
    assert.throws(() => parseIndex(indexText, { maxSize: 10 }), ResourceExhaustedError);
  });

  it("are objects or nothing, whatever the bytes", () => {
    const text = fc.oneof(
      fc.json(),
      fc.string(),
      fc.json().map((json) => json.slice(1)),
    );
    fc.assert(
      fc.property(text, (source) => {
        let parsed: unknown;
        try {
          parsed = parseJsonObject(source, "document");
        } catch (reason) {
          assert.ok(isInvalidArgument(reason), String(reason));
          return;
        }
        assert.deepEqual(Object.keys(parsed as object), Object.keys(JSON.parse(source) as object));
      }),
      { numRuns: 500 },
    );
  });
});
