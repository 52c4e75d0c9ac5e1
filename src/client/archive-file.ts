import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { during, fileError } from "../content/layout/file-errors.js";
import { chunksOf, syncDirectory, writeAt } from "../content/layout/files.js";
import { removeLeftPartials } from "./partial-file.js";

/**
 * Writes a file that appears under its name when it is whole and on the disk, in place of what was there. Until then it lies at
 * `partial` beside it; what others left there that died is removed. Only its owner may read it: an archive may hold the
 * memory of a process.
 */
export async function writeWholeFile(path: string, partial: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await during(`write ${path}`, async () => {
    await removeLeftPartials(dirname(partial));
    try {
      await write(partial, chunks);
      await rename(partial, path);
    } catch (reason) {
      await rm(partial, { force: true });
      throw reason;
    }
    await syncDirectory(dirname(path));
  });
}

async function write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  let at = 0;
  for await (const chunk of chunks) {
    await writeAt(file, chunk, at);
    at += chunk.length;
  }
  await file.sync();
}

/** Yields a file's bytes. */
export async function* readFileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const what = `read ${path}`;
  await using file = await during(what, () => open(path, "r"));
  try {
    yield* chunksOf(file, 0, Number.MAX_SAFE_INTEGER);
  } catch (reason) {
    throw fileError(reason, what);
  }
}
