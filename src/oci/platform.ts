import { InvalidArgumentError } from "../errors.js";
import { expectObject, optionalString, optionalStrings, refusalOfLookalikes } from "./json.js";

/**
 * What machine and system something runs on, in Go's names for them.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions
 */
export interface Platform {
  /** CPU, such as `amd64` or `arm64`. */
  readonly architecture: string;
  /** Operating system, such as `linux`. */
  readonly os: string;
  /** Version of the operating system; only Windows images carry one. */
  readonly "os.version"?: string;
  /** Features the operating system must have. */
  readonly "os.features"?: readonly string[];
  /** Which kind of the CPU, such as `v7`. */
  readonly variant?: string;
}

const knownSystems: ReadonlySet<string> = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos".split(
    " ",
  ),
);

const knownArchitectures: ReadonlySet<string> = new Set(
  (
    "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le " +
    "ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm"
  ).split(" "),
);

const stringFields = ["architecture", "os", "os.version", "variant"];
const refuseLookalikes = refusalOfLookalikes([...stringFields, "os.features"]);

/**
 * Checks that a JSON value describes a platform; fields it does not know stay.
 *
 * @throws {InvalidArgumentError} when it does not.
 */
export function parsePlatformObject(value: unknown): Platform {
  const from = expectObject(value, "platform");
  refuseLookalikes(from, "platform");
  for (const field of stringFields) optionalString(from, field, "platform");
  optionalStrings(from, "os.features", "platform");
  // Go writes both fields always, empty when it does not know them.
  return { ...from, architecture: from["architecture"] ?? "", os: from["os"] ?? "" } as Platform;
}

/**
 * Reads `os`, `arch`, `os/arch` or `os/arch/variant`; what is left out is linux, and amd64. The version and the features of the
 * operating system may follow it in brackets.
 *
 * @throws {InvalidArgumentError} when it is none of these.
 * @example
 * ```ts
 * parsePlatform("linux/aarch64"); // { os: "linux", architecture: "arm64" }
 * parsePlatform("windows(10.0.20348)/amd64"); // { os: "windows", "os.version": "10.0.20348", architecture: "amd64" }
 * ```
 */
export function parsePlatform(text: string): Platform {
  const [first = "", ...rest] = text.split("/");
  const [, system = "", version, features] =
    /^([A-Za-z0-9_.-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/.exec(first) ?? [];
  if (system === "" || rest.length > 2 || !rest.every((part) => /^[A-Za-z0-9_.-]+$/.test(part))) throw malformed(text);
  const options = parseSystemOptions(version, features, text);
  const [architecture, variant] = rest;
  if (architecture !== undefined) {
    return normalizePlatform({ os: system, architecture, ...(variant === undefined ? {} : { variant }), ...options });
  }
  const os = normalizeSystem(system);
  if (knownSystems.has(os)) return normalizePlatform({ os, architecture: "amd64", ...options });
  const platform = normalizePlatform({ os: "linux", architecture: first });
  if (knownArchitectures.has(platform.architecture)) return platform;
  throw malformed(text);
}

function parseSystemOptions(version = "", features = "", text: string): Pick<Platform, "os.version" | "os.features"> {
  try {
    return {
      ...(version === "" ? {} : { "os.version": decodeURIComponent(version) }),
      ...(features === "" ? {} : { "os.features": features.slice(1).split("+").map(decodeURIComponent) }),
    };
  } catch (cause) {
    throw malformed(text, cause);
  }
}

/**
 * Writes a platform as `os/arch` or `os/arch/variant`, in Go's names; with `systemOptions` also the version and the features of the
 * operating system, so that {@link parsePlatform} gives the same back.
 */
export function formatPlatform(
  platform: Platform,
  { systemOptions = false }: { readonly systemOptions?: boolean | undefined } = {},
): string {
  const {
    os,
    architecture,
    variant,
    "os.version": version = "",
    "os.features": features = [],
  } = normalizePlatform(platform);
  const options = [version, ...features].map(escapeOption).join("+");
  const system = systemOptions && options !== "" ? `${os}(${options})` : os;
  return [system || "unknown", architecture, variant].filter((part) => part !== undefined && part !== "").join("/");
}

/**
 * The platform of the Linux containers this machine runs: Linux, whatever its own system, on its own CPU.
 *
 * @example
 * ```ts
 * formatPlatform(hostPlatform()); // "linux/arm64"
 * ```
 */
export function hostPlatform(): Platform {
  const architectures: Readonly<Record<string, string>> = {
    x64: "amd64",
    ia32: "386",
    mipsel: "mipsle",
    // Node runs on the little-endian one only.
    ppc64: "ppc64le",
  };
  return normalizePlatform({ os: "linux", architecture: architectures[process.arch] ?? process.arch });
}

/**
 * Puts a platform in Go's names, and leaves out the variant every machine of that kind has.
 *
 * @see https://github.com/containerd/platforms/blob/v1.0.0-rc.4/database.go
 */
export function normalizePlatform(platform: Platform): Platform {
  const { variant: _variant, ...rest } = platform;
  const [architecture, variant] = normalizeCpu(
    platform.architecture.toLowerCase(),
    platform.variant?.toLowerCase() ?? "",
  );
  const features = platform["os.features"];
  return {
    ...rest,
    os: normalizeSystem(platform.os),
    architecture,
    ...(features === undefined ? {} : { "os.features": [...new Set(features)].sort() }),
    ...(variant === "" ? {} : { variant }),
  };
}

// encodeURIComponent would let brackets through.
function escapeOption(option: string): string {
  return option.replaceAll(/[%+()/]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function normalizeSystem(os: string): string {
  const lower = os.toLowerCase();
  return lower === "macos" ? "darwin" : lower;
}

function normalizeCpu(architecture: string, variant: string): readonly [architecture: string, variant: string] {
  switch (architecture) {
    case "i386":
      return ["386", ""];
    case "x86_64":
    case "x86-64":
    case "amd64":
      return ["amd64", variant === "v1" ? "" : variant];
    case "aarch64":
    case "arm64":
      if (["8", "v8", "v8.0"].includes(variant)) return ["arm64", ""];
      return ["arm64", ["9", "9.0", "v9.0"].includes(variant) ? "v9" : variant];
    case "armhf":
      return ["arm", "v7"];
    case "armel":
      return ["arm", "v6"];
    case "arm":
      if (variant === "") return ["arm", "v7"];
      return ["arm", /^[5678]$/.test(variant) ? `v${variant}` : variant];
    default:
      return [architecture, variant];
  }
}

function malformed(text: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `Cannot parse platform ${JSON.stringify(text.slice(0, 160))}: expected "os", "arch", "os/arch" or "os/arch/variant"`,
    cause === undefined ? {} : { cause },
  );
}
