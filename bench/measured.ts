import { type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** What a program cost that ran to its end. */
export interface Measured {
  /** From its start to its end. */
  readonly wallMs: number;
  /** The most memory it had; 0 when it ended sooner than one could look. */
  readonly peakMiB: number;
  /** What it said, unless that went elsewhere. */
  readonly stdout: string;
}

/** How a program is run. */
export interface MeasuredOptions {
  /** A descriptor it reads from. */
  readonly input?: number | undefined;
  /** A descriptor it writes to. */
  readonly output?: number | undefined;
}

/** Runs a program and says how long it took and how much memory it had at most. Rejects when it fails. */
export async function measured(
  command: string,
  args: readonly string[],
  { input, output }: MeasuredOptions = {},
): Promise<Measured> {
  const stdio: StdioOptions = [input ?? "ignore", output ?? "pipe", "inherit"];
  const startedAt = performance.now();
  const child = spawn(command, args, { stdio });
  const closed = once(child, "close") as Promise<[number | null]>;
  let wallMs = Number.NaN;
  child.once("exit", () => {
    wallMs = performance.now() - startedAt;
  });
  const said = child.stdout === null ? Promise.resolve("") : text(child.stdout);
  let peak = 0;
  while (child.exitCode === null && child.signalCode === null) {
    const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    await Promise.race([closed, sleep(20)]);
  }
  const [[code], stdout] = await Promise.all([closed, said]);
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}: ${stdout}`);
  return { wallMs, peakMiB: peak / 1024, stdout };
}

/**
 * Measures the ways one after the other, again and again: what disturbs one of them disturbs the others, too. Each round begins with another of
 * them, as what comes after a way may feel what it left, such as pages on their way to the disk.
 */
export async function interleaved(rounds: number, ways: readonly ((round: number) => Promise<void>)[]): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    for (let nth = 0; nth < ways.length; nth += 1) await ways[(round + nth) % ways.length]?.(round);
  }
}
