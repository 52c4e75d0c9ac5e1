import type { TarEntry, TarFile, TarStreamFile } from "../../tar/tar.js";

/** A member as it was read, to be written again. */
export function carried(entry: TarEntry): TarFile | TarStreamFile {
  const { body, size, ...header } = entry;
  return entry.type === "file" ? { ...header, size, body: () => body } : header;
}
