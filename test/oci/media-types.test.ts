import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as types from "../../src/oci/media-types.js";

const { isConfigType, isIndexType, isLayerType, isManifestType, isNonDistributableType, layerCompression } = types;

const kinds = { index: isIndexType, manifest: isManifestType, config: isConfigType, layer: isLayerType };

describe("media types", () => {
  const table: readonly [string, keyof typeof kinds | undefined][] = [
    [types.MEDIA_TYPE_INDEX, "index"],
    [types.MEDIA_TYPE_DOCKER_MANIFEST_LIST, "index"],
    [types.MEDIA_TYPE_MANIFEST, "manifest"],
    [types.MEDIA_TYPE_DOCKER_MANIFEST, "manifest"],
    [types.MEDIA_TYPE_IMAGE_CONFIG, "config"],
    [types.MEDIA_TYPE_DOCKER_IMAGE_CONFIG, "config"],
    [types.MEDIA_TYPE_LAYER, "layer"],
    [types.MEDIA_TYPE_LAYER_GZIP, "layer"],
    [types.MEDIA_TYPE_LAYER_ZSTD, "layer"],
    [types.MEDIA_TYPE_DOCKER_LAYER, "layer"],
    [types.MEDIA_TYPE_DOCKER_LAYER_GZIP, "layer"],
    [types.MEDIA_TYPE_DOCKER_LAYER_ZSTD, "layer"],
    [types.MEDIA_TYPE_EMPTY_JSON, undefined],
    ["application/vnd.oci.image.layer.v1.tar+encrypted", undefined],
    ["application/vnd.containerd.container.criu.checkpoint.criu.tar", undefined],
    [`${types.MEDIA_TYPE_LAYER_GZIP}\n`, undefined],
    ["", undefined],
  ];
  for (const [mediaType, expected] of table) {
    it(`${JSON.stringify(mediaType)} is ${expected ?? "none of them"}`, () => {
      for (const [kind, is] of Object.entries(kinds)) assert.equal(is(mediaType), kind === expected, kind);
    });
  }

  it("tells how a layer is packed", () => {
    assert.equal(layerCompression(types.MEDIA_TYPE_LAYER), "none");
    assert.equal(layerCompression(types.MEDIA_TYPE_DOCKER_LAYER), "none");
    assert.equal(layerCompression(types.MEDIA_TYPE_LAYER_GZIP), "gzip");
    assert.equal(layerCompression(types.MEDIA_TYPE_DOCKER_LAYER_GZIP), "gzip");
    assert.equal(layerCompression(types.MEDIA_TYPE_LAYER_ZSTD), "zstd");
    assert.equal(layerCompression(types.MEDIA_TYPE_DOCKER_LAYER_ZSTD), "zstd");
    assert.equal(layerCompression(types.MEDIA_TYPE_MANIFEST), undefined);
  });

  it("knows layers that are not handed on", () => {
    for (const mediaType of [
      "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ]) {
      assert.equal(isNonDistributableType(mediaType), true);
      assert.equal(isLayerType(mediaType), true);
      assert.equal(layerCompression(mediaType), "gzip");
    }
    assert.equal(isNonDistributableType(types.MEDIA_TYPE_LAYER_GZIP), false);
  });
});
