import { constants, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { during } from "../../content/layout/file-errors.js";
import { chunksOf, openPlain, writeAt } from "../../content/layout/files.js";
import { type Digest, isDigest } from "../../oci/digest.js";
import { syncDirectory } from "../metadata/whole-file.js";
import type { Bytes, IngestState, OpenIngest } from "./bytes.js";

/** Bytes in a directory: a file for each blob, as an OCI image layout has them, and one for each ingest. */
export class FileBytes implements Bytes {
  readonly #blobs: string;
  readonly #ingests: string;

  constructor(directory: string) {
    this.#blobs = join(directory, "blobs");
    this.#ingests = join(directory, "ingest");
    for (const path of [this.#blobs, this.#ingests]) mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  size(digest: Digest): number | undefined {
    return statSync(this.#path(digest), { throwIfNoEntry: false })?.size;
  }

  async *read(digest: Digest, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
    const file = await during(`read ${digest}`, () => openPlain(this.#path(digest)));
    try {
      yield* chunksOf(file, from, to);
    } finally {
      await file.close();
    }
  }

  remove(digest: Digest): void {
    rmSync(this.#path(digest), { force: true });
  }

  *digests(): Generator<Digest, void, undefined> {
    for (const algorithm of readdirSync(this.#blobs)) {
      for (const name of readdirSync(join(this.#blobs, algorithm))) {
        const digest = `${algorithm}:${name}`;
        if (isDigest(digest)) yield digest;
      }
    }
  }

  ingest(id: string): IngestState | undefined {
    const stat = statSync(join(this.#ingests, id), { throwIfNoEntry: false });
    return stat && { offset: stat.size, updatedAt: stat.mtime };
  }

  async open(id: string): Promise<OpenIngest> {
    const file = await openPlain(join(this.#ingests, id), constants.O_RDWR | constants.O_CREAT, 0o600);
    let { size } = await file.stat();
    let closing: Promise<void> | undefined;
    return {
      get offset() {
        return size;
      },
      read: () => chunksOf(file, 0, size),
      append: (chunk) =>
        during(`write to ingest ${id}`, async () => {
          await writeAt(file, chunk, size);
          size += chunk.length;
        }),
      truncate: () =>
        during(`truncate ingest ${id}`, async () => {
          await file.truncate(0);
          size = 0;
        }),
      sync: () =>
        during(`write ingest ${id}`, async () => {
          // A write that failed may have left a part of its bytes.
          await file.truncate(size);
          await file.sync();
        }),
      close: () => (closing ??= file.close()),
    };
  }

  promote(id: string, digest: Digest): void {
    const [blob, ingest] = [this.#path(digest), join(this.#ingests, id)];
    const directory = dirname(blob);
    // Of another size it is damaged, and now there are bytes that are not.
    if (this.size(digest) === this.ingest(id)?.offset) {
      this.drop(id);
      return;
    }
    if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) syncDirectory(this.#blobs);
    renameSync(ingest, blob);
    syncDirectory(directory);
  }

  drop(id: string): void {
    rmSync(join(this.#ingests, id), { force: true });
  }

  ingests(): Iterable<string> {
    return readdirSync(this.#ingests);
  }

  #path(digest: Digest): string {
    const [algorithm = "", encoded = ""] = digest.split(":");
    return join(this.#blobs, algorithm, encoded);
  }
}
