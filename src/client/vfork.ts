import { readdir, readFile } from "node:fs/promises";
import { arch } from "node:process";

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
  const pending = [pid];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    for (const thread of await list(`/proc/${one}/task`)) {
      const directory = `/proc/${one}/task/${thread}`;
      const [syscall, children] = await Promise.all([text(`${directory}/syscall`), text(`${directory}/children`)]);
      if (waitsForChild(syscall)) return true;
      pending.push(
        ...children
          .split(" ")
          .filter((child) => child.trim() !== "")
          .map(Number),
      );
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

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

async function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
