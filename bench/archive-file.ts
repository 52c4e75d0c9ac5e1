import { createReadStream, createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import { repositoryRoot } from "../lab/repository.js";
import { readTar, writeTar } from "../src/tar/tar.js";

const MIB = 1024 * 1024;

/** Writes a real archive with so much memory more to the path, and leaves it in the page cache for everybody. */
export async function writeArchiveFile(path: string, mebibytes: number): Promise<void> {
  await pipeline(archive(mebibytes), createWriteStream(path));
  for await (const _ of createReadStream(path)) void _;
}

async function* archive(mebibytes: number): AsyncGenerator<Uint8Array> {
  const real = gunzipSync(await readFile(join(repositoryRoot(), "test/fixtures/archives/crio.tar.gz")));
  const page = Buffer.alloc(MIB, "what a process has in its memory\n");
  async function* members() {
    for await (const entry of readTar(once(real))) yield { ...entry, body: () => entry.body };
    const body = async function* () {
      for (let written = 0; written < mebibytes; written += 1) yield page;
    };
    yield { name: "checkpoint/pages-9.img", size: mebibytes * MIB, body };
  }
  yield* writeTar(members());
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
