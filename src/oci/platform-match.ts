import { normalizePlatform, type Platform } from "./platform.js";
import { runsOnWindows, windowsBuild } from "./windows-version.js";

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
 * @see https://github.com/containerd/platforms/blob/v1.0.0-rc.4/compare.go
 */
export function platformMatcher(platform: Platform): PlatformMatcher {
  const wanted = normalizePlatform(platform);
  return orderedMatcher(
    cpusOf(wanted.architecture, wanted.variant ?? "").map((cpu) => ({ platform: wanted, cpu: cpuName(cpu) })),
  );
}

/**
 * Makes a matcher for exactly the platforms named, the first the best: nothing older stands in for one. With a single platform that
 * is what containerd calls strict.
 *
 * @example
 * ```ts
 * const strict = orderedPlatformMatcher(parsePlatform("linux/arm/v7")); // no arm/v6
 * ```
 * @see https://github.com/containerd/platforms/blob/v1.0.0-rc.4/compare.go
 */
export function orderedPlatformMatcher(...platforms: readonly Platform[]): PlatformMatcher {
  return orderedMatcher(
    platforms.map((one) => {
      const platform = normalizePlatform(one);
      return { platform, cpu: cpuName(platform) };
    }),
  );
}

interface Choice {
  readonly platform: Platform;
  readonly cpu: string;
}

/** A place among the choices, after more features a better one, after a newer Windows. */
type Rank = readonly [place: number, features: number, build: number];

function orderedMatcher(choices: readonly Choice[]): PlatformMatcher {
  const rank = (candidate: Platform): Rank => {
    const other = normalizePlatform(candidate);
    const cpu = cpuName(other);
    const runs = (features: boolean): number =>
      choices.findIndex(
        (choice) =>
          choice.cpu === cpu &&
          choice.platform.os === other.os &&
          runsOnWindows(choice.platform, other) &&
          (!features || hasFeatures(choice.platform, other)),
      );
    const features = other["os.features"]?.length ?? 0;
    const build = other.os === "windows" ? windowsBuild(other["os.version"]) : 0;
    const place = runs(true);
    if (place !== -1) return [place, -features, -build];
    // What lacks nothing but a feature is nearer than what is for another machine.
    const near = runs(false);
    return [near === -1 ? Number.POSITIVE_INFINITY : choices.length + near, 0, 0];
  };
  return {
    matches: (candidate) => rank(candidate)[0] < choices.length,
    compare(a, b): number {
      const [first, second] = [rank(a), rank(b)];
      const at = first.findIndex((part, index) => part !== second[index]);
      return at === -1 ? 0 : (first[at] ?? 0) < (second[at] ?? 0) ? -1 : 1;
    },
  };
}

type Cpu = Pick<Platform, "architecture" | "variant">;

/** The machine itself and the older ones it stands in for, nearest first. */
function cpusOf(architecture: string, variant: string): readonly Cpu[] {
  const own = { architecture, variant };
  switch (architecture) {
    case "amd64":
      return [own, ...levels("amd64", numberOf(variant, 1) - 1, 1), { architecture: "386" }];
    case "arm":
      return [own, ...levels("arm", numberOf(variant, 0) - 1, 5)];
    case "arm64":
      return [own, ...olderArm64(variant)];
    default:
      return [own];
  }
}

// Armv9.0 holds everything of Armv8.5, 9.1 of 8.6, and so on. All of them run what is for 32 bits.
function olderArm64(variant: string): readonly Cpu[] {
  const [, major, minor = "0"] = /^v([89])(?:\.(\d))?$/.exec(variant || "v8") ?? [];
  if (major === undefined) return [];
  const older = (line: number, from: number): readonly Cpu[] =>
    countDown(from, 0).map((level) => ({ architecture: "arm64", variant: `v${line}.${level}` }));
  const below = older(Number(major), Number(minor) - 1);
  return [...below, ...(major === "9" ? older(8, Math.min(Number(minor) + 5, 9)) : []), ...levels("arm", 8, 5)];
}

function levels(architecture: string, from: number, to: number): readonly Cpu[] {
  return countDown(from, to).map((level) => ({ architecture, variant: `v${level}` }));
}

function cpuName({ architecture, variant = "" }: Cpu): string {
  const plain = normalizePlatform({ os: "", architecture, variant });
  return plain.variant === undefined ? plain.architecture : `${plain.architecture}/${plain.variant}`;
}

function numberOf(variant: string, otherwise: number): number {
  const digits = /^v?(\d)$/.exec(variant)?.[1];
  return digits === undefined ? otherwise : Number(digits);
}

function countDown(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => from - index);
}

function hasFeatures(wanted: Platform, other: Platform): boolean {
  // Every Windows has win32k unless it is told apart by it, and older images do not say so.
  const needed = (other["os.features"] ?? []).filter((feature) => wanted.os !== "windows" || feature !== "win32k");
  return needed.every((feature) => wanted["os.features"]?.includes(feature) === true);
}
