import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "../../src/errors.js";
import { formatReference, normalizeReference, parseReference, type Reference } from "../../src/oci/reference.js";
import { fixtureLines } from "./documents.js";

const digest = `sha256:${"a1".repeat(32)}`;

describe("normalizeReference", () => {
  const table: readonly [string, string][] = [
    ["redis", "docker.io/library/redis:latest"],
    ["redis:7", "docker.io/library/redis:7"],
    ["library/redis", "docker.io/library/redis:latest"],
    ["docker.io/redis", "docker.io/library/redis:latest"],
    ["index.docker.io/redis", "docker.io/library/redis:latest"],
    ["index.docker.io/a/b:c", "docker.io/a/b:c"],
    ["user/app", "docker.io/user/app:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/app:1", "localhost:5000/app:1"],
    ["host:5000/app", "host:5000/app:latest"],
    ["HOST/app", "HOST/app:latest"],
    ["quay.io/a/b/c:tag", "quay.io/a/b/c:tag"],
    ["[::1]:5000/app", "[::1]:5000/app:latest"],
    [`redis@${digest}`, `docker.io/library/redis@${digest}`],
    [`redis:7@${digest}`, `docker.io/library/redis:7@${digest}`],
    ["DOCKER.IO/a/b", "DOCKER.IO/a/b:latest"],
    ["docker.io/library/redis:7", "docker.io/library/redis:7"],
    ["localhost", "docker.io/library/localhost:latest"],
    ["localhost:5000", "docker.io/library/localhost:5000"],
    ["127.0.0.1/a", "127.0.0.1/a:latest"],
    [`localhost:5000/a@${digest}`, `localhost:5000/a@${digest}`],
    [`${"h".repeat(60)}.example/${"a".repeat(255)}`, `${"h".repeat(60)}.example/${"a".repeat(255)}:latest`],
    ["a__b-c---d.e", "docker.io/library/a__b-c---d.e:latest"],
  ];
  for (const [text, expected] of table) {
    it(`completes ${text.slice(0, 40)}`, () => {
      assert.equal(normalizeReference(text), expected);
    });
  }

  it("refuses what is no name", () => {
    const bad = [
      "",
      " ",
      "a b",
      "Redis",
      "-a",
      "a-",
      "a..b",
      "a___b",
      "/a",
      "a/",
      "a//b",
      "a:",
      "a:-x",
      `a:${"x".repeat(129)}`,
    ];
    bad.push(
      "a@",
      "a@sha256:xyz",
      `a@md5:${"0".repeat(32)}`,
      "a@b@c",
      "a".repeat(64),
      "redis\n",
      "a:b:c",
      "a/B",
      `${"a/".repeat(130)}a`,
      "ho_st.x/app",
    );
    for (const text of bad) assert.throws(() => normalizeReference(text), InvalidArgumentError, text);
  });

  it("says what distribution's own library says, version 0.6.0", () => {
    for (const [text, expected] of fixtureLines("references.jsonl") as [string, string | null][]) {
      if (expected === null) assert.throws(() => normalizeReference(text), InvalidArgumentError, text);
      else assert.equal(normalizeReference(text), expected);
    }
  });

  it("refuses a host that is none, where distribution takes it for a name without a registry", () => {
    assert.throws(() => normalizeReference("ho_st.x/app"), /is not a registry/);
  });

  it("changes nothing the second time, and reads back in parts", () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,6}(?:[._-][a-z0-9]{1,6})?$/);
    const domain = fc.constantFrom("", "localhost/", "example.org/", "h:80/", "docker.io/", "index.docker.io/");
    const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,10}$/), { nil: undefined });
    const pinned = fc.constantFrom("", `@${digest}`);
    fc.assert(
      fc.property(domain, fc.array(word, { minLength: 1, maxLength: 3 }), tag, pinned, (host, path, name, pin) => {
        const text = `${host}${path.join("/")}${name === undefined ? "" : `:${name}`}${pin}`;
        const full = normalizeReference(text);
        assert.equal(normalizeReference(full), full);
        const reference = parseReference(full);
        assert.equal(formatReference(reference), full);
        assert.equal(reference.tag, name ?? (pin === "" ? "latest" : undefined));
      }),
    );
  });
});

describe("parseReference", () => {
  it("tells the parts", () => {
    assert.deepEqual(parseReference(`localhost:5000/a/b:c@${digest}`), {
      domain: "localhost:5000",
      repository: "a/b",
      tag: "c",
      digest,
    });
  });

  it("makes nothing up", () => {
    assert.deepEqual(parseReference("localhost/bb"), { domain: "localhost", repository: "bb" });
    assert.throws(() => parseReference("redis"), /expected a registry, a slash and a name/);
    assert.throws(() => parseReference("redis:7"), InvalidArgumentError);
  });

  it("gives back the parts that were written, whatever they are", () => {
    const references = fc.record(
      {
        domain: fc.constantFrom("localhost", "HOST", "h:1", "[::1]:80", "a.b.c", "docker.io"),
        repository: fc.stringMatching(/^[a-z0-9]{1,5}(?:[._/-][a-z0-9]{1,5}){0,3}$/),
        tag: fc.stringMatching(/^\w[\w.-]{0,10}$/),
        digest: fc.constantFrom(digest, `sha512:${"0f".repeat(64)}`),
      },
      { requiredKeys: ["domain", "repository"], noNullPrototype: true },
    );
    fc.assert(
      fc.property(references, (reference) => {
        assert.deepEqual(parseReference(formatReference(reference as Reference)), reference);
      }),
    );
  });

  it("answers a hostile name quickly", () => {
    for (const text of [`x/${"a-".repeat(50_000)}!`, `${"a.".repeat(50_000)}/x`, `x/${"_".repeat(100_000)}`]) {
      assert.throws(() => parseReference(text), InvalidArgumentError);
    }
  });
});
