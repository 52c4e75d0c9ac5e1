import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Writes a file whole: after a crash at any time it is there as it was before, or as it is now. */
export function writeDurably(path: string, bytes: Uint8Array, temporary: string): void {
  try {
    const file = openSync(temporary, "w", 0o600);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (reason) {
    rmSync(temporary, { force: true });
    throw reason;
  }
  syncDirectory(dirname(path));
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
