import type { Platform } from "./platform.js";

/** A release of Windows by its version, such as `10.0.20348.169`. */
interface WindowsVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

// The long-term releases since the kernel's interface to containers is stable: Server 2022 and 2025.
const stable = [20348, 26100] as const;

/**
 * Whether a Windows machine runs containers made for another build: before Server 2022 only for its very own, since then also those
 * made for builds back to the long-term release before it. Anything goes where a version is not told.
 *
 * @see https://github.com/containerd/platforms/blob/v1.0.0-rc.4/platform_windows_compat.go
 * @see https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility
 */
export function runsOnWindows(machine: Platform, container: Platform): boolean {
  const host = parseVersion(machine["os.version"]);
  const wanted = container["os.version"] ?? "";
  if (machine.os !== "windows" || host === undefined || wanted === "") return true;
  const other = parseVersion(wanted);
  if (other === undefined || other.major !== host.major || other.minor !== host.minor) return false;
  const [oldest] = stable;
  if (host.build < oldest) return other.build === host.build;
  const since = stable.findLast((build) => build < host.build) ?? oldest;
  return other.build >= since && other.build <= host.build;
}

/** The build's number, for which is newer; 0 when it is not told. */
export function windowsBuild(version: string | undefined): number {
  return parseVersion(version)?.build ?? 0;
}

function parseVersion(version = ""): WindowsVersion | undefined {
  const [, major, minor, build] = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\..*)?$/.exec(version) ?? [];
  if (build === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), build: Number(build) };
}
