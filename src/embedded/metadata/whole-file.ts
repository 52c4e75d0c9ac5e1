import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes a file whole: who looks at any time sees it as it was before, or as it is now. What is durable is so after a loss of power,
 * too, and lasts when this returns.
 */
export function writeWhole(
  path: string,
  bytes: Uint8Array,
  { temporary, isDurable = true }: { readonly temporary: string; readonly isDurable?: boolean },
): void {
  try {
    const file = openSync(temporary, "w", 0o600);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      if (isDurable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (reason) {
    rmSync(temporary, { force: true });
    throw reason;
  }
  if (isDurable) syncDirectory(dirname(path));
}

/** Makes what was renamed or removed in a directory last. */
export function syncDirectory(path: string): void {
  // Windows cannot open directories, and needs no such thing.
  if (process.platform === "win32") return;
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
