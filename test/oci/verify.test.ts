import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DataLossError, InvalidArgumentError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { verifyBytes, verifyingDigester } from "../../src/oci/verify.js";

const bytes = new TextEncoder().encode("some bytes");
const expected = { digest: digestOf(bytes), size: bytes.byteLength };

describe("verifyBytes", () => {
  it("lets pass what is right, whatever the algorithm", () => {
    verifyBytes(bytes, expected);
    verifyBytes(bytes, { digest: digestOf(bytes, "sha384"), size: bytes.byteLength });
    verifyBytes(new Uint8Array(), { digest: digestOf(new Uint8Array()), size: 0 });
  });

  it("notices every changed byte", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (content, at, flip) => {
        const descriptor = { digest: digestOf(content), size: content.byteLength };
        const damaged = Uint8Array.from(content);
        const index = at % content.length;
        damaged[index] = (content[index] ?? 0) ^ flip;
        verifyBytes(content, descriptor);
        assert.throws(() => verifyBytes(damaged, descriptor), DataLossError);
      }),
    );
  });

  it("notices missing and extra bytes", () => {
    assert.throws(() => verifyBytes(bytes.subarray(1), expected), /is cut off: expected 10 bytes, got 9/);
    assert.throws(() => verifyBytes(bytes, { ...expected, size: 9 }), DataLossError);
    assert.throws(() => verifyBytes(bytes, { ...expected, size: 11 }), DataLossError);
  });

  it("never lets pass what it cannot check", () => {
    assert.throws(() => verifyBytes(bytes, { digest: "blake3:abc", size: bytes.byteLength }), InvalidArgumentError);
  });
});

describe("verifyingDigester", () => {
  it("stops at the first byte too many", () => {
    const check = verifyingDigester(expected);
    check.update(bytes);
    assert.equal(check.size, 10);
    assert.throws(() => check.update(new Uint8Array(1)), /is too long: expected 10 bytes, got 11/);
  });
});
