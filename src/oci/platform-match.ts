import { normalizePlatform, type Platform } from "./platform.js";

/** Says which platforms run on one machine, and which of them run better. */
export interface PlatformMatcher {
  /** Whether it runs there. */
  matches(platform: Platform): boolean;
  /** Negative when `a` suits better than `b`, positive when worse; sorts the best first, what does not run last. */
  compare(a: Platform, b: Platform): number;
}

/**
 * Makes a matcher for one machine. What older machines of its kind run, it runs too, the nearest first:
 * an arm64 machine arm programs, an amd64 machine 386 programs.
 *
 * @example
 * ```ts
 * const { compare } = platformMatcher(parsePlatform("linux/arm64"));
 * const [best] = [...platforms].sort(compare);
 * ```
 * @see https://github.com/containerd/platforms/blob/v1.0.0-rc.1/compare.go
 */
export function platformMatcher(platform: Platform): PlatformMatcher {
  const wanted = normalizePlatform(platform);
  const runs = cpusOf(wanted.architecture, wanted.variant ?? "");
  const rank = (candidate: Platform): number => {
    const other = normalizePlatform(candidate);
    const place = runs.indexOf(cpuName(other.architecture, other.variant ?? ""));
    const fits = other.os === wanted.os && sameBuild(wanted, other) && hasFeatures(wanted, other);
    return place === -1 || !fits ? Number.POSITIVE_INFINITY : place;
  };
  return {
    matches: (candidate) => rank(candidate) !== Number.POSITIVE_INFINITY,
    compare(a, b): number {
      const [first, second] = [rank(a), rank(b)];
      return first === second ? 0 : first - second;
    },
  };
}

/** The machine itself and the older ones it stands in for, nearest first. */
function cpusOf(architecture: string, variant: string): readonly string[] {
  const own = cpuName(architecture, variant);
  switch (architecture) {
    case "amd64":
      return [own, ...countDown(numberOf(variant, 1) - 1, 1).map((level) => cpuName("amd64", `v${level}`)), "386"];
    case "arm":
      return [own, ...countDown(numberOf(variant, 7) - 1, 5).map((level) => cpuName("arm", `v${level}`))];
    case "arm64":
      return [own, ...olderArm64(variant), ...countDown(8, 5).map((level) => cpuName("arm", `v${level}`))];
    default:
      return [own];
  }
}

// Armv9.0 holds everything of Armv8.5, 9.1 of 8.6, and so on.
function olderArm64(variant: string): readonly string[] {
  const [, major = "8", minor = "0"] = /^v([89])(?:\.(\d))?$/.exec(variant || "v8") ?? [];
  const older = (line: number, from: number): readonly string[] =>
    countDown(from, 0).map((level) => cpuName("arm64", level === 0 ? `v${line}` : `v${line}.${level}`));
  if (major === "8") return older(8, Number(minor) - 1);
  return [...older(9, Number(minor) - 1), ...older(8, Number(minor) + 5)];
}

function cpuName(architecture: string, variant: string): string {
  const { variant: plain } = normalizePlatform({ os: "", architecture, variant });
  return plain === undefined ? architecture : `${architecture}/${plain}`;
}

function numberOf(variant: string, otherwise: number): number {
  const digits = /^v(\d)$/.exec(variant)?.[1];
  return digits === undefined ? otherwise : Number(digits);
}

function countDown(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => from - index);
}

// Windows containers run on the build of Windows they were made for: the first three numbers of its version.
function sameBuild(wanted: Platform, other: Platform): boolean {
  const [mine, theirs] = [wanted["os.version"] ?? "", other["os.version"] ?? ""];
  if (wanted.os !== "windows" || mine === "" || theirs === "") return true;
  const build = (version: string): string => version.split(".").slice(0, 3).join(".");
  return build(mine) === build(theirs);
}

function hasFeatures(wanted: Platform, other: Platform): boolean {
  return (other["os.features"] ?? []).every((feature) => wanted["os.features"]?.includes(feature) === true);
}
