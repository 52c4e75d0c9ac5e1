import { arch } from "node:process";
import { processTree, readProc, threadsOf } from "./process-tree.js";

const CLONE3 = 435;
const CLONE_VFORK = 0x4000n;
const vfork = arch === "x64" ? 58 : undefined;
const clone = arch === "x64" ? 56 : 220;

/**
 * Whether a process of the frozen tree under `pid` was caught between vfork and exec. Its parent then waits in the kernel
 * and cannot be stopped, so criu waits for it until it gives up after ten seconds. Shells vfork for every command.
 * Where the tree cannot be seen, nobody is.
 *
 * @see https://man7.org/linux/man-pages/man2/vfork.2.html
 */
export async function isInVfork(pid: number): Promise<boolean> {
  for await (const one of processTree(pid)) {
    for (const thread of threadsOf(one)) {
      if (waitsForChild(readProc(`/proc/${one}/task/${thread}/syscall`))) return true;
    }
  }
  return false;
}

function waitsForChild(syscall: string): boolean {
  const [number = "", flags = "0"] = syscall.split(" ");
  // What clone3 is asked lies in the process's memory; other uses of it do not last.
  if (Number(number) === CLONE3 || Number(number) === vfork) return true;
  return Number(number) === clone && (BigInt(flags) & CLONE_VFORK) !== 0n;
}
