import type { Usage } from "../cgroup-metrics.js";

interface Stats {
  readonly data?: {
    readonly cpu?: { readonly usage?: { readonly total?: number } };
    readonly memory?: { readonly usage?: { readonly usage?: number; readonly limit?: number } };
    readonly pids?: { readonly current?: number; readonly limit?: number };
  };
}

/** What a runtime's statistics say. */
export function usageOf(text: string): Usage {
  const { cpu, memory, pids } = (JSON.parse(text) as Stats).data ?? {};
  const whole = (value: number | undefined): bigint => BigInt(Math.trunc(value ?? 0));
  return {
    pids: whole(pids?.current),
    pidsLimit: limitOf(pids?.limit),
    cpuMicroseconds: whole((cpu?.usage?.total ?? 0) / 1000),
    memoryBytes: whole(memory?.usage?.usage),
    memoryLimit: limitOf(memory?.usage?.limit),
  };
}

/** Without a limit the kernel of cgroup v1 says the largest number of pages there can be, and runc says 0. */
function limitOf(value: number | undefined): bigint | undefined {
  return value === undefined || value === 0 || value >= Number.MAX_SAFE_INTEGER ? undefined : BigInt(value);
}
