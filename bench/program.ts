import { readFileSync } from "node:fs";
import { type Client, type ConnectOptions, connect } from "containerd-client";
import { LoopWatch } from "./loop-watch.js";

/** What a program prints as one line of JSON, by name: numbers. */
export type Output = Readonly<Record<string, number>>;

/**
 * Is one of our halves of the bench: connects to the daemon the command line names, does its work, and prints what it took:
 * `ms`, `grownMiB` (memory at its most, above what it was when the work began), `loopP99Ms`, and what the work says itself.
 */
export async function program(
  work: (client: Client, args: readonly string[]) => Promise<Output>,
  options: ConnectOptions = {},
): Promise<void> {
  const [address, namespace, ...args] = process.argv.slice(2);
  const client = await connect({ address, namespace, ...options });
  const before = residentMiB("VmRSS");
  const loop = new LoopWatch();
  const startedAt = performance.now();
  const output = await work(client, args);
  const ms = performance.now() - startedAt;
  const loopP99Ms = loop.stop();
  const grownMiB = residentMiB("VmHWM") - before;
  await client.close();
  process.stdout.write(`${JSON.stringify({ ms, grownMiB, loopP99Ms, ...output })}\n`);
}

/** One of the kernel's figures about this process's memory. */
function residentMiB(name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN) / 1024;
}
