import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Takes away every mount below a directory, the newest first; what is in use there goes when it is not any more. */
export async function unmountBelow(directory: string): Promise<void> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const points = lines.map((line) => unescaped(line.split(" ")[4] ?? ""));
  for (const point of points.filter((path) => path.startsWith(`${directory}/`)).reverse()) {
    await run("umount", ["-l", "--", point]);
  }
}

/** The kernel writes white space in octal. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_escape, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
