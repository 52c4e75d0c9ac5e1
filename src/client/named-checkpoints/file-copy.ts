import { constants, createReadStream, createWriteStream } from "node:fs";
import { copyFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { CHUNK_BYTES } from "../../content/layout/files.js";

/** Copies a file to another disk, and not on when the signal says so; where both share their blocks nothing is copied at all. */
export async function copyAcross(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
  } catch {
    // They share none, as a rule. What else is wrong shows when it is copied.
    const highWaterMark = CHUNK_BYTES;
    const target = createWriteStream(to, { mode: 0o600, highWaterMark });
    await pipeline(createReadStream(from, { highWaterMark }), target, { signal });
  }
}
