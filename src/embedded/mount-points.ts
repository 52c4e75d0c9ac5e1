import { readFile } from "node:fs/promises";
import { platform } from "node:os";

/** Where something is mounted below a directory of this machine, the oldest first. */
export async function mountPointsBelow(directory: string): Promise<string[]> {
  if (platform() !== "linux") return [];
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.map((line) => unescaped(line.split(" ")[4] ?? "")).filter((path) => path.startsWith(`${directory}/`));
}

/** The kernel writes white space in octal. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_escape, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
