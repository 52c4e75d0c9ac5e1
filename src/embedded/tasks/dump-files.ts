import { createReadStream, createWriteStream } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Provider } from "../../content/store.js";
import { DataLossError, InvalidArgumentError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { readTar, type TarStreamFile, writeTar } from "../../tar/tar.js";

const OWNER_ONLY = 0o700;

/** Packs the files of a dump, in an order that depends on their names alone. */
export function packDump(directory: string): AsyncGenerator<Uint8Array, void, undefined> {
  return writeTar(filesOf(directory));
}

async function* filesOf(directory: string): AsyncGenerator<TarStreamFile, void, undefined> {
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name);
    const file = await lstat(path);
    if (!file.isFile()) throw new DataLossError(`Cannot pack the dump: ${name} is no regular file`);
    yield {
      name,
      size: file.size,
      mode: file.mode & 0o777,
      modifiedAt: file.mtime,
      body: () => createReadStream(path),
    };
  }
}

/**
 * Unpacks a dump into a directory that is made for it. A dump is a handful of plain files beside each other: whatever else
 * is in the tar is refused.
 *
 * @throws {InvalidArgumentError} when it holds anything else
 * @throws {DataLossError} when it is no tar, or not the bytes its descriptor says
 */
export async function unpackDump(
  provider: Provider,
  dump: Descriptor,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { mode: OWNER_ONLY });
  for await (const { name, type, body } of readTar(provider.read(dump, { signal }))) {
    const path = name.replace(/^\.\//, "");
    if (type === "directory" && (path === "" || path === ".")) continue;
    if (type !== "file" || path === "" || path === ".." || /[/\\\0]/.test(path)) {
      throw new InvalidArgumentError(
        `Cannot thaw from ${dump.digest}: ${JSON.stringify(name)} is no plain file of a dump`,
      );
    }
    await pipeline(body, createWriteStream(join(directory, path), { flags: "wx", mode: 0o600 }), { signal });
  }
}
