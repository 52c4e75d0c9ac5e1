import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync } from "node:fs";

// So many descriptors are open at once.
const BATCH = 200;
const SECOND = 1_000_000_000n;
// A shell starts programs faster than Node.js does. What goes wrong shows in the times.
const TOUCH_ALL = 'while read -r time path; do touch -m -d "@$time" "$path" 2>/dev/null; done';

interface Held {
  readonly path: string;
  readonly fd: number;
  readonly ns: bigint;
}

/**
 * Sets times to the nanosecond, which Node.js cannot: `touch` does, of what it reaches by descriptors of this process. Where the time is
 * right already nothing is done.
 *
 * @returns the paths where it could not be done.
 */
export async function setExactTimes(
  times: ReadonlyMap<string, bigint>,
  open: (path: string) => number,
): Promise<readonly string[]> {
  const inexact: string[] = [];
  let held: Held[] = [];
  try {
    for (const [path, ns] of times) {
      const fd = open(path);
      if (timeOf(fd) === ns) closeSync(fd);
      else held.push({ path, fd, ns });
      if (held.length < BATCH) continue;
      inexact.push(...(await touchAll(held)));
      held = [];
    }
    inexact.push(...(await touchAll(held)));
    held = [];
  } finally {
    for (const { fd } of held) closeSync(fd);
  }
  return inexact;
}

/** Those of which the time is not right then. All are closed. */
async function touchAll(held: readonly Held[]): Promise<readonly string[]> {
  try {
    if (held.length === 0) return [];
    await touch(held.map(({ fd, ns }) => `${textOf(ns)} /proc/${process.pid}/fd/${fd}\n`).join(""));
    return held.filter(({ fd, ns }) => timeOf(fd) !== ns).map(({ path }) => path);
  } finally {
    for (const { fd } of held) closeSync(fd);
  }
}

function timeOf(fd: number): bigint {
  return fstatSync(fd, { bigint: true }).mtimeNs;
}

function textOf(ns: bigint): string {
  const positive = ns < 0n ? -ns : ns;
  return `${ns < 0n ? "-" : ""}${positive / SECOND}.${String(positive % SECOND).padStart(9, "0")}`;
}

async function touch(lines: string): Promise<void> {
  const shell = spawn("sh", ["-c", TOUCH_ALL], { stdio: ["pipe", "ignore", "ignore"] });
  shell.stdin.on("error", () => {});
  shell.stdin.end(lines);
  await once(shell, "close").catch(() => {});
}
