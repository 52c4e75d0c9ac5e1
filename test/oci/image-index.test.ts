import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeIndex, type Index, parseIndex } from "../../src/oci/image-index.js";
import { MEDIA_TYPE_DOCKER_MANIFEST_LIST, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST } from "../../src/oci/media-types.js";
import { fixture, textOf } from "./documents.js";

const part = { mediaType: MEDIA_TYPE_MANIFEST, digest: digestOf(new Uint8Array()), size: 0 };

describe("parseIndex", () => {
  it("reads what ctr wrote, and writes the same bytes with the same digest", () => {
    const bytes = fixture("ctr-checkpoint-index.blob");
    const index = parseIndex(bytes);
    assert.equal(index.manifests.length, 5);
    assert.equal(textOf(encodeIndex(index)), textOf(bytes));
    assert.equal(
      digestOf(encodeIndex(index)),
      "sha256:01f2302d05e24df77281db088b532cab0a4bccb49f0a9c75b40afe979a44253a",
    );
  });

  it("takes Docker's form, and Go's way to write an empty list", () => {
    const list = parseIndex(`{"schemaVersion":2,"mediaType":"${MEDIA_TYPE_DOCKER_MANIFEST_LIST}","manifests":null}`);
    assert.deepEqual(list, { schemaVersion: 2, mediaType: MEDIA_TYPE_DOCKER_MANIFEST_LIST, manifests: [] });
  });

  it("refuses what could be taken for a manifest, in any case of letters", () => {
    for (const field of ["config", "Config", "layers", "LAYERS", "fsLayers"]) {
      const text = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests: [], [field]: {} });
      assert.throws(() => parseIndex(text), /makes it ambiguous/, field);
    }
    assert.throws(() => parseIndex('{"schemaVersion":2,"mediaType":"application/json"}'), InvalidArgumentError);
  });

  it("does no harm with a key called __proto__, and keeps it", () => {
    const text =
      '{"schemaVersion":2,"manifests":[],"annotations":{"__proto__":"x","constructor":"y"},"__proto__":{"polluted":true}}';
    const index = parseIndex(text);
    assert.equal(Object.getPrototypeOf(index), Object.prototype);
    assert.equal(Object.getPrototypeOf(index.annotations), Object.prototype);
    assert.equal("polluted" in index, false);
    assert.equal("polluted" in {}, false);
    assert.deepEqual(JSON.parse(textOf(encodeIndex(index))), JSON.parse(text));
  });
});

describe("encodeIndex", () => {
  it("writes fields in Go's order whatever order they were set in", () => {
    const index: Index = {
      annotations: { b: "2", a: "1", Z: "0" },
      manifests: [
        {
          platform: { variant: "v8", "os.features": ["f"], "os.version": "1", os: "linux", architecture: "arm64" },
          artifactType: "t",
          data: "e30=",
          annotations: { k: "v" },
          urls: ["u"],
          size: 0,
          digest: part.digest,
          mediaType: "m",
        },
      ],
      subject: part,
      artifactType: "a",
      mediaType: MEDIA_TYPE_INDEX,
      schemaVersion: 2,
    };
    const digest = part.digest;
    assert.equal(
      textOf(encodeIndex(index)),
      `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE_INDEX}","artifactType":"a","manifests":[{"mediaType":"m","digest":"${digest}","size":0,` +
        '"urls":["u"],"annotations":{"k":"v"},"data":"e30=","platform":{"architecture":"arm64","os":"linux","os.version":"1","os.features":["f"],"variant":"v8"},"artifactType":"t"}],' +
        `"subject":{"mediaType":"${MEDIA_TYPE_MANIFEST}","digest":"${digest}","size":0},"annotations":{"Z":"0","a":"1","b":"2"}}`,
    );
  });

  it("leaves out what is empty, as Go does", () => {
    const index: Index = {
      schemaVersion: 2,
      mediaType: "",
      manifests: [{ ...part, annotations: {}, urls: [] }],
      annotations: {},
    };
    assert.equal(
      textOf(encodeIndex(index)),
      `{"schemaVersion":2,"manifests":[{"mediaType":"${MEDIA_TYPE_MANIFEST}","digest":"${part.digest}","size":0}]}`,
    );
  });

  it("keeps fields it does not know, on every level", () => {
    const known = [
      "schemaversion",
      "mediatype",
      "artifacttype",
      "manifests",
      "subject",
      "annotations",
      "config",
      "layers",
      "fslayers",
    ];
    const descriptorFields = ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];
    const topKey = fc.string().filter((key) => !known.includes(key.toLowerCase()));
    const partKey = fc.string().filter((key) => !descriptorFields.includes(key));
    const json = fc.jsonValue({ stringUnit: "binary" });
    fc.assert(
      fc.property(fc.dictionary(topKey, json), fc.dictionary(partKey, json), (top, inner) => {
        const text = JSON.stringify({ ...top, schemaVersion: 2, manifests: [{ ...inner, ...part }] });
        const once = encodeIndex(parseIndex(text));
        assert.deepEqual(JSON.parse(textOf(once)), JSON.parse(text));
        assert.deepEqual(encodeIndex(parseIndex(once)), once);
      }),
    );
  });
});
