import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { during } from "./file-errors.js";
import { syncDirectory, writeAt } from "./files.js";

/**
 * Writes a file that appears under its name when it is whole and on the disk, in place of what was there. Until then it lies at
 * `partial` beside it. Only its owner may read it: it may hold the memory of a process.
 */
export async function writeWholeFile(path: string, partial: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await during(`write ${path}`, async () => {
    try {
      await using file = await open(partial, "wx", 0o600);
      let at = 0;
      for await (const chunk of chunks) {
        await writeAt(file, chunk, at);
        at += chunk.length;
      }
      await file.sync();
      await rename(partial, path);
    } catch (reason) {
      await rm(partial, { force: true });
      throw reason;
    }
    await syncDirectory(dirname(path));
  });
}
