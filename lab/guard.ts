import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { labScript } from "./repository.js";

/**
 * Starts the process that takes a box down when this process ends, however it ends: it waits for a pipe to close.
 * Returns what closes the pipe and waits until the box is gone.
 */
export function startGuard(directory: string, cgroup: string): () => Promise<void> {
  const guard = spawn("bash", [labScript("box.sh"), "guard", directory, cgroup], {
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  const ended = Promise.all([text(guard.stderr), once(guard, "close") as Promise<[number | null]>]);
  // The box does not keep this process running: when nothing else does, both end.
  const handles = [guard, guard.stdin as Socket, guard.stderr as Socket];
  for (const handle of handles) handle.unref();
  return async () => {
    for (const handle of handles) handle.ref();
    guard.stdin.end();
    const [said, [code]] = await ended;
    if (code !== 0) throw new Error(`The box ${cgroup} could not be removed: ${said.trim()}`);
  };
}
