import assert from "node:assert/strict";
import { it } from "node:test";
import { exportArchive, importArchive, readArchive } from "../../../src/checkpoint/index.js";
import { type TarFile, type TarStreamFile, writeTar } from "../../../src/tar/tar.js";
import { layoutSubject } from "../../content/layout-bed.js";
import { Peak } from "../../content/peak.js";
import { archiveBytes } from "../../fixtures/checkpoint-archives.js";

const MIB = 1024 * 1024;

async function* zeros(mib: number): AsyncGenerator<Uint8Array, void, undefined> {
  const chunk = Buffer.alloc(MIB);
  for (let at = 0; at < mib; at++) yield chunk;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function file(name: string, mib: number): TarStreamFile {
  return { name, size: mib * MIB, body: () => zeros(mib) };
}

/** A real archive with so many MiB more of memory, and as many of changed files. */
async function* archive(mib: number): AsyncGenerator<Uint8Array, void, undefined> {
  const diff = (): AsyncIterable<Uint8Array> => writeTar([file("large", mib)]);
  let size = 0;
  for await (const chunk of diff()) size += chunk.length;
  async function* members(): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
    for await (const part of readArchive(once(archiveBytes("podman-crun-none-nochanges.tar")))) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of part.body) chunks.push(chunk);
      if (part.kind !== "directory") yield { name: part.name, body: Buffer.concat(chunks) };
    }
    yield file("checkpoint/pages-99.img", mib);
    yield { name: "rootfs-diff.tar", size, body: diff };
  }
  yield* writeTar(members());
}

/** The most memory it takes to carry an archive in and out. */
async function carried(mib: number): Promise<number> {
  const { store, end } = await layoutSubject();
  const peak = new Peak();
  async function* watched(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      peak.look();
      yield chunk;
    }
  }
  const checkpoint = await importArchive(watched(archive(mib)), store);
  let bytes = 0;
  for await (const chunk of watched(exportArchive(checkpoint, store, { engine: "podman" }))) bytes += chunk.length;
  assert.ok(bytes > 2 * mib * MIB);
  await end();
  return peak.bytes;
}

it("an archive is carried in and out in the same memory, however large it is", async () => {
  // The first one also pays for what is loaded and compiled along the way.
  await carried(4);
  const small = await carried(8);
  const large = await carried(48);
  assert.ok(large - small < 40 * MIB, `${large - small} bytes more for 80 MiB more`);
});
