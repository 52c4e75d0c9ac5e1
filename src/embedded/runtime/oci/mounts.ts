import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { mountPointsBelow } from "../../mount-points.js";

const run = promisify(execFile);

/** Takes away every mount below a directory, the newest first; what is in use there goes when it is not any more. */
export async function unmountBelow(directory: string): Promise<void> {
  for (const point of (await mountPointsBelow(directory)).reverse()) await run("umount", ["-l", "--", point]);
}
