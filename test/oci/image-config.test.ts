import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError, ResourceExhaustedError } from "../../src/errors.js";
import { chainId, chainIds } from "../../src/oci/chain-id.js";
import { digestOf } from "../../src/oci/digest.js";
import { parseImageConfig } from "../../src/oci/image-config.js";
import { fixture, textOf } from "./documents.js";

const plain = {
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: [digestOf(new Uint8Array())] },
};
const text = (more: object): string => JSON.stringify({ ...plain, ...more });

describe("parseImageConfig", () => {
  it("reads a real one whole", () => {
    const bytes = fixture("image-config.blob");
    const config = parseImageConfig(bytes);
    assert.deepEqual(config, JSON.parse(textOf(bytes)));
    assert.deepEqual(config.config?.Cmd, ["/bin/sh"]);
  });

  it("keeps fields it does not know, and counts null as absent", () => {
    const config = parseImageConfig(
      text({
        config: { Cmd: null, Healthcheck: { Test: ["NONE"] }, Volumes: { "/data": {} } },
        history: null,
        container: "x",
      }),
    );
    assert.deepEqual(config, {
      ...plain,
      config: { Healthcheck: { Test: ["NONE"] }, Volumes: { "/data": {} } },
      container: "x",
    });
  });

  it("refuses what is no config", () => {
    const bad: object[] = [
      { os: undefined },
      { architecture: 1 },
      { rootfs: null },
      { rootfs: { type: "other" } },
      { rootfs: { type: "layers", diff_ids: ["x"] } },
      { rootfs: { type: "layers", diff_ids: "x" } },
      { config: [] },
      { config: { Env: "A=b" } },
      { config: { Entrypoint: [1] } },
      { config: { User: 0 } },
      { config: { Labels: { a: 1 } } },
      { config: { ExposedPorts: ["80/tcp"] } },
      { history: [1] },
    ];
    for (const more of bad)
      assert.throws(() => parseImageConfig(text(more)), InvalidArgumentError, JSON.stringify(more));
    assert.throws(() => parseImageConfig(text({}), { maxSize: 5 }), ResourceExhaustedError);
  });
});

describe("chainId", () => {
  const diffId = fc.uint8Array().map((bytes) => digestOf(bytes));

  it("is the example of the image spec's rule", () => {
    const [a, b] = [digestOf(Uint8Array.of(1)), digestOf(Uint8Array.of(2))];
    assert.equal(chainId([a]), a);
    assert.equal(chainId([a, b]), digestOf(new TextEncoder().encode(`${a} ${b}`)));
  });

  it("names every prefix as that prefix alone is named", () => {
    fc.assert(
      fc.property(fc.array(diffId, { minLength: 1, maxLength: 8 }), (diffIds) => {
        const chain = chainIds(diffIds);
        assert.equal(chain.length, diffIds.length);
        chain.forEach((name, index) => {
          assert.equal(name, chainId(diffIds.slice(0, index + 1)));
        });
      }),
    );
  });

  it("depends on the order of layers", () => {
    fc.assert(
      fc.property(diffId, diffId, (a, b) => {
        fc.pre(a !== b);
        assert.notEqual(chainId([a, b]), chainId([b, a]));
      }),
    );
  });

  it("refuses an empty stack", () => {
    assert.deepEqual(chainIds([]), []);
    assert.throws(() => chainId([]), InvalidArgumentError);
    assert.throws(() => chainId(["sha256:x"]), InvalidArgumentError);
  });
});
