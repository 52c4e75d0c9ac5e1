import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "../../src/errors.js";
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
} from "../../src/oci/platform.js";
import { orderedPlatformMatcher, platformMatcher } from "../../src/oci/platform-match.js";
import { fixtureLines } from "./documents.js";

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

  it("reads and writes version and features of the system", () => {
    const windows = { os: "windows", architecture: "amd64", "os.version": "10.0.17763", "os.features": ["win32k"] };
    assert.deepEqual(parsePlatform("windows(10.0.17763+win32k)/amd64"), windows);
    assert.equal(formatPlatform(windows), "windows/amd64");
    assert.equal(formatPlatform(windows, { systemOptions: true }), "windows(10.0.17763+win32k)/amd64");
    assert.deepEqual(parsePlatform("linux(+b+a)"), { os: "linux", architecture: "amd64", "os.features": ["a", "b"] });
    assert.deepEqual(parsePlatform("linux(a%2Bb)/arm64")["os.version"], "a+b");
    assert.equal(formatPlatform(parsePlatform("arm64"), { systemOptions: true }), "linux/arm64");
  });

  it("reads back what it wrote", () => {
    const option = fc.stringMatching(/^[A-Za-z0-9_.%+()/-]{1,8}$/);
    const platforms = fc.record(
      {
        os: fc.constantFrom("linux", "windows", "plan9", "odd-one"),
        architecture: fc.constantFrom("amd64", "arm", "arm64", "pdp11"),
        variant: fc.constantFrom("v6", "v7", "v8", "v9"),
        "os.version": option,
        "os.features": fc.array(option, { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: ["os", "architecture"] },
    );
    fc.assert(
      fc.property(platforms, (platform) => {
        const text = formatPlatform(platform, { systemOptions: true });
        assert.deepEqual(parsePlatform(text), normalizePlatform(platform));
      }),
    );
  });

  it("refuses everything else", () => {
    const bad = ["", "*", "linux/", "/amd64", "a/b/c/d", "pdp11", "linux/amd64\n", "linux amd64", "amd64(1)"];
    for (const text of [...bad, "linux()x", "linux(1", "linux(%zz)", "linux(1+)", "linux/amd64(1)", "(1)/amd64"]) {
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

  it("says what containerd's own library says, version 1.0.0-rc.4", () => {
    interface Verdicts {
      readonly machine: Platform;
      readonly strict: boolean;
      readonly others: readonly Platform[];
      readonly matches: string;
      readonly less: string;
    }
    for (const { machine, strict, others, matches, less } of fixtureLines("platform-matches.jsonl") as Verdicts[]) {
      const matcher = strict ? orderedPlatformMatcher(machine) : platformMatcher(machine);
      const bits = (of: boolean[]) => of.map(Number).join("");
      assert.equal(bits(others.map((other) => matcher.matches(other))), matches, JSON.stringify(machine));
      const pairs = others.flatMap((a) => others.map((b) => matcher.compare(a, b) < 0));
      assert.equal(bits(pairs), less, JSON.stringify(machine));
    }
  });

  it("matches every platform with itself, and orders without contradiction", () => {
    fc.assert(
      fc.property(anyPlatform, anyPlatform, anyPlatform, (machine, a, b) => {
        const matcher = platformMatcher(machine);
        assert.equal(matcher.matches(machine), true);
        assert.equal(Math.sign(matcher.compare(a, b)) + Math.sign(matcher.compare(b, a)), 0);
        assert.ok(matcher.compare(machine, a) <= 0);
        if (matcher.compare(a, b) <= 0 && matcher.compare(b, machine) <= 0) assert.ok(matcher.compare(a, machine) <= 0);
      }),
    );
  });

  it("takes exactly what is named, in the order it is named", () => {
    const strict = orderedPlatformMatcher(parsePlatform("linux/arm/v7"));
    assert.equal(strict.matches({ os: "linux", architecture: "armhf" }), true);
    assert.equal(strict.matches(parsePlatform("linux/arm/v6")), false);
    assert.equal(orderedPlatformMatcher(parsePlatform("amd64")).matches(parsePlatform("386")), false);
    assert.equal(orderedPlatformMatcher().matches(parsePlatform("amd64")), false);
    const ordered = orderedPlatformMatcher(...["linux/s390x", "linux/amd64"].map((text) => parsePlatform(text)));
    const texts = ["linux/arm64", "linux/amd64", "linux/s390x"];
    const sorted = texts.map((text) => parsePlatform(text)).sort((a, b) => ordered.compare(a, b));
    assert.deepEqual(
      sorted.map((platform) => formatPlatform(platform)),
      [...texts].reverse(),
    );
  });

  it("knows which Windows runs the containers of which", () => {
    const on = (build: number) => ({ os: "windows", architecture: "amd64", "os.version": `10.0.${build}.77` });
    const runs: readonly [machine: number, ...containers: number[]][] = [
      [17763, 17763],
      [19042, 19042],
      [20348, 20348],
      [22621, 20348, 22621],
      [25398, 20348, 22621, 25398],
      [26100, 20348, 22621, 25398, 26100],
      [27000, 26100, 27000],
    ];
    const builds = [14393, 17763, 19042, 20348, 22621, 25398, 26100, 27000, 28000];
    for (const [machine, ...containers] of runs) {
      const matcher = platformMatcher(on(machine));
      assert.deepEqual(
        builds.filter((build) => matcher.matches(on(build))),
        containers,
        `${machine}`,
      );
      const sorted = builds.map(on).sort((a, b) => matcher.compare(a, b));
      assert.deepEqual(sorted.slice(0, containers.length), containers.map(on).reverse());
    }
    assert.equal(platformMatcher(on(20348)).matches({ ...on(1), "os.version": "11.0.20348" }), false);
    assert.equal(platformMatcher(on(20348)).matches({ ...on(1), "os.version": "odd" }), false);
    assert.equal(platformMatcher(on(20348)).matches({ os: "windows", architecture: "amd64" }), true);
    assert.equal(platformMatcher({ os: "windows", architecture: "amd64" }).matches(on(1)), true);
    assert.equal(platformMatcher(on(20348)).matches({ ...on(20348), "os.features": ["win32k"] }), true);
  });

  it("prefers what uses more of the machine's features", () => {
    const amd64 = { os: "linux", architecture: "amd64" };
    const matcher = platformMatcher({ ...amd64, "os.features": ["a", "b"] });
    const wanted = [["a", "b"], ["a"], [], ["c"]].map((features) => ({ ...amd64, "os.features": features }));
    const sorted = [{ os: "linux", architecture: "s390x" }, ...wanted].reverse().sort((a, b) => matcher.compare(a, b));
    assert.deepEqual(sorted, [...wanted, { os: "linux", architecture: "s390x" }]);
  });

  it("knows what containers this machine runs", () => {
    assert.equal(hostPlatform().os, "linux");
    assert.equal(formatPlatform(parsePlatform(formatPlatform(hostPlatform()))), formatPlatform(hostPlatform()));
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
