import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "../../src/errors.js";
import { algorithmOf, type DigestAlgorithm, digester, digestOf, isDigest, parseDigest } from "../../src/oci/digest.js";

const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

describe("parseDigest", () => {
  it("takes digests of known and of unknown algorithms", () => {
    const good = [
      empty,
      `sha384:${"a".repeat(96)}`,
      `sha512:${"0".repeat(128)}`,
      "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
      "blake3:abc",
      "a.b-c_d:x=",
    ];
    for (const text of good) assert.equal(parseDigest(text), text);
  });

  it("says what is wrong", () => {
    assert.throws(
      () => parseDigest("sha256:xyz"),
      new InvalidArgumentError('Cannot parse digest "sha256:xyz": expected 64 hex digits, got 3'),
    );
    assert.throws(() => parseDigest(empty.toUpperCase().replace("SHA", "sha")), /expected lower-case hex digits only/);
    assert.throws(() => parseDigest(`sha512:${"0".repeat(64)}`), /expected 128 hex digits, got 64/);
    assert.throws(() => parseDigest(`blake3:${"0".repeat(600)}`), /expected at most 512 characters, got 607/);
  });

  it("refuses what could leave a directory or is no digest at all", () => {
    const bad = [
      "",
      "sha256",
      ":",
      "sha256:",
      ":abc",
      "../x:abc",
      "a:../../etc",
      "a..b:c",
      "a/b:c",
      "SHA256:ab",
      `${empty}\n`,
    ];
    for (const text of bad) {
      assert.equal(isDigest(text), false, text);
      assert.throws(() => parseDigest(text), InvalidArgumentError, text);
    }
    for (const value of [undefined, null, 1, {}, [empty]]) assert.equal(isDigest(value), false);
  });
});

describe("digester", () => {
  it("hashes as the world does", () => {
    assert.equal(digestOf(new Uint8Array()), empty);
    assert.equal(
      digestOf(new TextEncoder().encode("abc"), "sha512"),
      "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
  });

  it("gives the same digest however the bytes are cut, and may be asked in between", () => {
    const algorithm = fc.constantFrom<DigestAlgorithm>("sha256", "sha384", "sha512");
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), algorithm, (chunks, name) => {
        const hash = digester(name);
        for (const chunk of chunks) {
          hash.update(chunk);
          hash.digest();
        }
        const digest = hash.digest();
        assert.equal(digest, digestOf(Buffer.concat(chunks), name));
        assert.equal(parseDigest(digest), digest);
        assert.equal(algorithmOf(digest), name);
      }),
    );
  });

  it("refuses algorithms it cannot hash with", () => {
    assert.throws(
      () => digester("md5" as DigestAlgorithm),
      /Cannot hash with "md5": expected sha256, sha384 or sha512/,
    );
    assert.throws(() => digester("constructor" as DigestAlgorithm), InvalidArgumentError);
    assert.throws(() => algorithmOf("blake3:abc"), InvalidArgumentError);
  });
});
