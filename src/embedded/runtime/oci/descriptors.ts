import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const FILE = "descriptors.json";
const NOTHING = "/dev/null";

/**
 * Notes in a dump that the process had no input. A runtime in the foreground gives it a pipe all the same, and writes down
 * that at a thaw another shall take its place: a daemon's shim would put a file of its host there, which criu could not dump again.
 */
export async function forgetInput(dump: string): Promise<void> {
  const path = join(dump, FILE);
  const text = await readFile(path, "utf8").catch(() => "[]");
  const [input, ...others] = JSON.parse(text) as string[];
  if (input?.startsWith("pipe:") === true) await writeFile(path, JSON.stringify([NOTHING, ...others]));
}
