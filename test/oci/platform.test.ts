import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "../../src/errors.js";
import { formatPlatform, normalizePlatform, type Platform, parsePlatform } from "../../src/oci/platform.js";
import { platformMatcher } from "../../src/oci/platform-match.js";

const anyPlatform: fc.Arbitrary<Platform> = fc.record(
  {
    os: fc.constantFrom("linux", "Linux", "macos", "windows", "odd"),
    architecture: fc.constantFrom(
      "amd64",
      "x86_64",
      "X86-64",
      "arm",
      "armhf",
      "armel",
      "aarch64",
      "arm64",
      "i386",
      "riscv64",
    ),
    variant: fc.constantFrom("", "v1", "v2", "5", "7", "v7", "8", "V8", "v8.0", "v8.2", "9", "v9.0", "v9.1", "odd"),
    "os.features": fc.array(fc.constantFrom("a", "b"), { maxLength: 3 }),
  },
  { requiredKeys: ["os", "architecture"] },
);

describe("parsePlatform", () => {
  const table: readonly [string, string][] = [
    ["linux", "linux/amd64"],
    ["arm64", "linux/arm64"],
    ["x86_64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/v8.2", "linux/arm64/v8.2"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["macOS/arm64", "darwin/arm64"],
    ["windows/amd64", "windows/amd64"],
  ];
  for (const [text, expected] of table) {
    it(`reads ${text} as ${expected}`, () => {
      assert.equal(formatPlatform(parsePlatform(text)), expected);
    });
  }

  it("refuses everything else", () => {
    for (const text of ["", "*", "linux/", "/amd64", "a/b/c/d", "pdp11", "linux/amd64\n", "linux amd64"]) {
      assert.throws(() => parsePlatform(text), InvalidArgumentError, text);
    }
  });
});

describe("normalizePlatform", () => {
  it("changes nothing the second time", () => {
    fc.assert(
      fc.property(anyPlatform, (platform) => {
        const once = normalizePlatform(platform);
        assert.deepEqual(normalizePlatform(once), once);
        assert.equal(formatPlatform(platform), formatPlatform(once));
        assert.deepEqual(
          parsePlatform(formatPlatform(once)),
          normalizePlatform({ ...parsePlatform(formatPlatform(once)) }),
        );
      }),
    );
  });

  it("keeps what it does not know", () => {
    const platform = { os: "linux", architecture: "amd64", "os.version": "6.1", odd: true };
    assert.deepEqual(normalizePlatform(platform), platform);
  });
});

describe("platformMatcher", () => {
  const ranks: readonly [string, readonly string[], readonly string[]][] = [
    ["linux/amd64", ["linux/amd64", "linux/386"], ["linux/amd64/v2", "linux/arm64", "windows/amd64"]],
    ["linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"], ["linux/amd64/v4"]],
    ["linux/arm/v6", ["linux/arm/v6", "linux/arm/v5"], ["linux/arm/v7", "linux/arm64"]],
    ["linux/arm", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"], ["linux/arm/v8"]],
    [
      "linux/arm64",
      ["linux/arm64/v8", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
      ["linux/arm64/v8.1", "linux/arm64/v9", "linux/amd64"],
    ],
    [
      "linux/arm64/v9.1",
      [
        "linux/arm64/v9.1",
        "linux/arm64/v9",
        "linux/arm64/v8.6",
        "linux/arm64/v8.5",
        "linux/arm64/v8.1",
        "linux/arm64",
        "linux/arm/v8",
      ],
      ["linux/arm64/v9.2", "linux/arm64/v8.7"],
    ],
    ["linux/riscv64", ["linux/riscv64"], ["linux/amd64"]],
  ];
  for (const [machine, runs, runsNot] of ranks) {
    it(`ranks what runs on ${machine}`, () => {
      const matcher = platformMatcher(parsePlatform(machine));
      for (const text of runs) assert.equal(matcher.matches(parsePlatform(text)), true, text);
      for (const text of runsNot) assert.equal(matcher.matches(parsePlatform(text)), false, text);
      const shuffled = [...runsNot, ...runs].reverse().map((text) => parsePlatform(text));
      const sorted = shuffled.sort((a, b) => matcher.compare(a, b)).map((platform) => formatPlatform(platform));
      assert.deepEqual(
        sorted.slice(0, runs.length),
        runs.map((text) => formatPlatform(parsePlatform(text))),
      );
    });
  }

  it("matches every platform with itself, and orders without contradiction", () => {
    fc.assert(
      fc.property(anyPlatform, anyPlatform, anyPlatform, (machine, a, b) => {
        const matcher = platformMatcher(machine);
        assert.equal(matcher.matches(machine), true);
        assert.equal(Math.sign(matcher.compare(a, b)) + Math.sign(matcher.compare(b, a)), 0);
        assert.ok(matcher.compare(machine, a) <= 0);
      }),
    );
  });

  it("compares the build of Windows, and features", () => {
    const windows = { os: "windows", architecture: "amd64", "os.version": "10.0.17763.1" };
    assert.equal(platformMatcher(windows).matches({ ...windows, "os.version": "10.0.17763.999" }), true);
    assert.equal(platformMatcher(windows).matches({ ...windows, "os.version": "10.0.20348.1" }), false);
    const linux = { os: "linux", architecture: "amd64" };
    assert.equal(platformMatcher(linux).matches({ ...linux, "os.features": ["sse4"] }), false);
    assert.equal(
      platformMatcher({ ...linux, "os.features": ["sse4", "a"] }).matches({ ...linux, "os.features": ["sse4"] }),
      true,
    );
  });
});
