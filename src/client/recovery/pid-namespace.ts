import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { startOf } from "../../content/layout/process-identity.js";

/**
 * The one that the machine was started with, from which all others are seen.
 *
 * @see https://github.com/torvalds/linux/blob/v6.1/include/linux/proc_ns.h
 */
const INITIAL = "pid:[4026531836]";

/** A process by the number it has in a pid namespace of this boot of this machine. */
interface NamespacedProcess {
  readonly pid: number;
  readonly startTicks: string;
  readonly pidNamespace: string;
}

/**
 * Tells whether a process of another pid namespace runs; undefined where that cannot be seen. Those of namespaces below this one are
 * seen from here, as a machine sees its containers', under other numbers.
 */
export function isRunningElsewhere(sought: NamespacedProcess): boolean | undefined {
  try {
    // Else it shows another namespace than this process's own.
    if (readlinkSync("/proc/self") !== String(process.pid)) return undefined;
    const entries = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    for (const entry of entries) {
      if (startOf(Number(entry)) !== sought.startTicks || (numberIn(entry) ?? sought.pid) !== sought.pid) continue;
      const namespace = namespaceOf(entry);
      if (namespace === sought.pidNamespace) return true;
      // It may be the one, and is not to be looked at more closely.
      if (namespace === undefined) return undefined;
    }
    return isSeenFromHere(sought, entries) ? false : undefined;
  } catch {
    return undefined;
  }
}

/** The number a process has in the innermost of its namespaces. */
function numberIn(entry: string): number | undefined {
  const status = readFileSync(`/proc/${entry}/status`, "utf8");
  const numbers = /^NSpid:(.*)$/m.exec(status)?.[1];
  return numbers === undefined ? undefined : Number(numbers.trim().split(/\s+/).at(-1));
}

function namespaceOf(entry: string): string | undefined {
  try {
    return readlinkSync(`/proc/${entry}/ns/pid`);
  } catch {
    return undefined;
  }
}

/** Whether each process of that namespace is among those that there are. */
function isSeenFromHere({ pidNamespace }: NamespacedProcess, entries: readonly string[]): boolean {
  const hides = / \/proc [^\n]*hidepid=/.test(readFileSync("/proc/self/mountinfo", "utf8"));
  // From whoever may look at the first process none is hidden.
  if (namespaceOf("self") === INITIAL) return !hides || namespaceOf("1") === INITIAL;
  return !hides && entries.some((entry) => namespaceOf(entry) === pidNamespace);
}
