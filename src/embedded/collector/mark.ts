import type { Daemon } from "../daemon.js";
import { type Node, nodeKey, referred, roots } from "./graph.js";

/** Finds what stays in a namespace: roots, and whatever they lead to. By {@link nodeKey}. */
export function mark(daemon: Pick<Daemon, "records">, namespace: string, now: Date): ReadonlySet<string> {
  const waiting: Node[] = roots(daemon, namespace, now);
  /** Whether all that a node leads to was followed: one reached flat may be reached in full later. */
  const followed = new Map<string, boolean>();
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const key = nodeKey(node);
    const full = node.flat !== true;
    const before = followed.get(key);
    if (before === true || before === full) continue;
    followed.set(key, full);
    waiting.push(...referred(daemon, namespace, node));
  }
  return new Set(followed.keys());
}
