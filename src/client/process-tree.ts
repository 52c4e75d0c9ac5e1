import { readdir, readFile } from "node:fs/promises";

/** The processes under `pid`, itself first, as this machine sees them; those that cannot be seen are left out. */
export async function* processTree(pid: number): AsyncGenerator<number, void, undefined> {
  const pending = [pid];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    yield one;
    for (const thread of await threadsOf(one)) {
      const children = await readProc(`/proc/${one}/task/${thread}/children`);
      pending.push(
        ...children
          .split(" ")
          .filter((child) => child.trim() !== "")
          .map(Number),
      );
    }
  }
}

/** The threads of a process; none when it cannot be seen. */
export async function threadsOf(pid: number): Promise<string[]> {
  return readdir(`/proc/${pid}/task`).catch(() => []);
}

/** A file of /proc; empty when the process is gone or somebody else's. */
export async function readProc(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
