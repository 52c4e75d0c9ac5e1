import { InvalidArgumentError } from "../errors.js";
import type { Int64, SpecOption } from "./runtime-spec.js";
import { linuxOf, resourcesOf } from "./spec-sections.js";

/** Sets the container's cgroup: a path, or `slice:prefix:name` for systemd. */
export function withCgroupsPath(cgroupsPath: string): SpecOption {
  return (spec) => {
    linuxOf(spec).cgroupsPath = cgroupsPath;
  };
}

/**
 * Limits memory, in bytes; -1 is no limit.
 *
 * @throws {InvalidArgumentError} when it is not such a number.
 */
export function withMemoryLimit(limit: Int64): SpecOption {
  requireLimit("memory", limit);
  return (spec) => {
    const resources = resourcesOf(spec);
    resources.memory = { ...resources.memory, limit };
  };
}

/**
 * Limits CPU time to `quotaUs` in every `periodUs`, in microseconds; a quota of -1 is no limit.
 *
 * @throws {InvalidArgumentError} when one is not such a number.
 */
export function withCpuQuota(quotaUs: Int64, periodUs: Int64 = 100_000): SpecOption {
  requireLimit("CPU time", quotaUs);
  requireLimit("CPU period", periodUs, 1);
  return (spec) => {
    const resources = resourcesOf(spec);
    resources.cpu = { ...resources.cpu, quota: quotaUs, period: periodUs };
  };
}

/**
 * Sets the container's share of CPU time when others want it too; 1024 is what one has by default.
 *
 * @throws {InvalidArgumentError} when it is less than 2.
 */
export function withCpuShares(shares: Int64): SpecOption {
  requireLimit("CPU shares", shares, 2);
  return (spec) => {
    const resources = resourcesOf(spec);
    resources.cpu = { ...resources.cpu, shares };
  };
}

/**
 * Limits how many processes and threads there are; -1 is no limit.
 *
 * @throws {InvalidArgumentError} when it is not such a number.
 */
export function withPidsLimit(limit: Int64): SpecOption {
  requireLimit("processes", limit);
  return (spec) => {
    const resources = resourcesOf(spec);
    resources.pids = { ...resources.pids, limit };
  };
}

function requireLimit(what: string, value: Int64, least = -1): void {
  if ((typeof value === "number" && !Number.isSafeInteger(value)) || value < least) {
    throw new InvalidArgumentError(`Cannot limit ${what}: expected a whole number from ${least}, got ${value}`);
  }
}
