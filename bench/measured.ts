import type { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs a program and says how long it took and how much memory it had at most. */
export async function measured(run: () => ReturnType<typeof spawn>): Promise<{ ms: number; peakMiB: number }> {
  const startedAt = performance.now();
  const child = run();
  const exited = once(child, "exit");
  let peak = 0;
  let over = false;
  const watch = (async () => {
    while (!over) {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
      await sleep(5);
    }
  })();
  const [code] = (await exited) as [number];
  const ms = performance.now() - startedAt;
  over = true;
  await watch;
  if (code !== 0) throw new Error(`a measured program ended with ${code}`);
  return { ms, peakMiB: peak / 1024 };
}
