import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError } from "../../src/errors.js";
import { parseDescriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";

const plain = { mediaType: "application/octet-stream", digest: digestOf(new Uint8Array()), size: 0 };

describe("parseDescriptor", () => {
  it("keeps every field, known or not", () => {
    const full = {
      ...plain,
      urls: ["https://example.org/blob"],
      annotations: { a: "b" },
      data: "",
      platform: { architecture: "arm64", os: "linux", variant: "v8", "os.features": ["x"], odd: 1 },
      artifactType: "text/plain",
      "com.example": { nested: [1, null] },
    };
    assert.deepEqual(parseDescriptor(full), full);
    assert.deepEqual(parseDescriptor(plain), plain);
  });

  it("counts null as absent, as Go does", () => {
    assert.deepEqual(parseDescriptor({ ...plain, annotations: null, platform: null, urls: null }), plain);
  });

  it("refuses everything that is not one", () => {
    const bad: unknown[] = [
      undefined,
      null,
      1,
      "x",
      [],
      [plain],
      {},
      { ...plain, mediaType: "" },
      { ...plain, mediaType: 1 },
    ];
    for (const size of [-1, 1.5, Number.NaN, 2 ** 53, "0", null, undefined, 10n]) bad.push({ ...plain, size });
    for (const digest of [undefined, null, 1, "", "sha256:ab", ["sha256:ab"]]) bad.push({ ...plain, digest });
    bad.push(
      { ...plain, annotations: { a: 1 } },
      { ...plain, annotations: [] },
      { ...plain, urls: [1] },
      { ...plain, urls: "x" },
    );
    bad.push({ ...plain, platform: "linux" }, { ...plain, platform: { os: 1 } }, { ...plain, data: 1 });
    for (const value of bad) assert.throws(() => parseDescriptor(value), InvalidArgumentError);
  });

  it("names the field", () => {
    assert.throws(
      () => parseDescriptor({ ...plain, size: -1 }),
      new InvalidArgumentError(
        "Cannot parse descriptor: expected size to be a whole number of bytes from 0 to 2^53-1, got -1",
      ),
    );
  });

  it("takes nothing from a prototype", () => {
    const inherited: unknown = Object.create(plain);
    assert.throws(() => parseDescriptor(inherited), InvalidArgumentError);
  });
});
