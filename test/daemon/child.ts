import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryRoot } from "../../lab/repository.js";
import type { ChildWork } from "./operation-child.js";

/** A process that does some work with the library, and may die of it. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** What it has said so far. */
  readonly said: readonly string[];
  /** Resolves when it says so. */
  says(line: string): Promise<void>;
  /** Resolves when it has ended, to all it said. */
  ended(): Promise<readonly string[]>;
}

const LONGEST_MS = 60_000;

/** Starts it. */
export function startChild(work: ChildWork): Child {
  const program = join(repositoryRoot(), ".build/test/daemon/operation-child.js");
  const child = spawn(process.execPath, [program, JSON.stringify(work)], { stdio: ["ignore", "pipe", "inherit"] });
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => said.push(line));
  const exited = Promise.all([once(child, "exit"), once(lines, "close")]);
  return {
    pid: child.pid ?? 0,
    process: child,
    said,
    says: async (line) => {
      for (let waitedMs = 0; !said.includes(line); waitedMs += 5) {
        if (waitedMs > LONGEST_MS) throw new Error(`the child never said ${line}, only ${said.join(", ")}`);
        await sleep(5);
      }
    },
    ended: async () => {
      await exited;
      return said;
    },
  };
}

/** The guardians that run for a process, or did until it died, as process ids. */
export function guardiansOf({ pid }: Child): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const args = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
        // One that has ended and waits for its parent has no arguments.
        return args[1]?.endsWith("/guardian/main.js") === true && args[2] === String(pid);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Waits until a process has no guardian. */
export async function guardianGone(child: Child): Promise<void> {
  for (let waitedMs = 0; guardiansOf(child).length > 0; waitedMs += 20) {
    if (waitedMs > LONGEST_MS) throw new Error("the guardian outlives its job");
    await sleep(20);
  }
}
