import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { during, fileError } from "../content/layout/file-errors.js";
import { chunksOf } from "../content/layout/files.js";
import { writeWholeFile } from "../content/layout/whole-file.js";
import { removeLeftPartials } from "./partial-file.js";

/** Writes an archive that appears under its name when it is whole; what others left beside it that died is removed. */
export async function writeArchiveFile(
  path: string,
  partial: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  await during(`write ${path}`, () => removeLeftPartials(dirname(partial)));
  await writeWholeFile(path, partial, chunks);
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
