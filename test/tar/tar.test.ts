import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { DataLossError, ResourceExhaustedError } from "../../src/errors.js";
import { readTar, type TarFile, writeTar } from "../../src/tar/tar.js";
import { rawTar } from "../fuzz/raw-tar.js";

const text = (value: string) => new TextEncoder().encode(value);

const files: TarFile[] = [
  { name: "etc/", type: "directory" },
  { name: "etc/passwd", body: text("root:x:0:0::/:/bin/sh\n"), mode: 0o600, uid: 7, gid: 8 },
  { name: "bin/sh", type: "symlink", linkName: "busybox" },
  { name: "bin/ash", type: "link", linkName: "bin/busybox" },
  { name: "big", body: new Uint8Array(300_000).fill(65) },
];

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function listing(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = [];
  for await (const entry of readTar(source)) {
    const body = await bytesOf(entry.body);
    lines.push(
      `${entry.type} ${entry.name} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${body.length} ${entry.linkName ?? ""}`,
    );
  }
  return lines;
}

describe("tar", () => {
  it("reads what it writes, packed or not, in chunks of any size", async () => {
    const tar = await bytesOf(writeTar(files));
    const expected = [
      "directory etc/ 755 0:0 0 ",
      "file etc/passwd 600 7:8 22 ",
      "symlink bin/sh 644 0:0 0 busybox",
      "link bin/ash 644 0:0 0 bin/busybox",
      "file big 644 0:0 300000 ",
    ];
    for (const size of [1, 7, 512, 65_536, tar.length]) {
      if (size === 1) assert.deepEqual(await listing(inChunks(gzipSync(tar), size)), expected);
      else assert.deepEqual(await listing(inChunks(tar, size)), expected);
    }
  });

  it("writes the same bytes for the same members", async () => {
    assert.deepEqual(await bytesOf(writeTar(files)), await bytesOf(writeTar(files)));
  });

  it("skips what is left unread", async () => {
    const names: string[] = [];
    for await (const { name } of readTar(inChunks(await bytesOf(writeTar(files)), 1000))) names.push(name);
    assert.deepEqual(
      names,
      files.map(({ name }) => name),
    );
  });

  it("skips what is left when the reading of one member is broken off", async () => {
    const names: string[] = [];
    for await (const { name, body } of readTar(inChunks(await bytesOf(writeTar(files)), 1000))) {
      names.push(name);
      for await (const _ of body) break;
    }
    assert.deepEqual(
      names,
      files.map(({ name }) => name),
    );
  });

  it("ends the source when the loop is left", async () => {
    let ended = false;
    const tar = await bytesOf(writeTar(files));
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        yield* inChunks(tar, 512);
      } finally {
        ended = true;
      }
    }
    for await (const { name } of readTar(source())) if (name === "etc/passwd") break;
    assert.equal(ended, true);
  });

  it("reports an archive that is cut short, inside a member or inside its packing", async () => {
    const tar = await bytesOf(writeTar(files));
    await assert.rejects(listing(inChunks(tar.subarray(0, 100_000), 4096)), DataLossError);
    const packed = gzipSync(tar);
    await assert.rejects(listing(inChunks(packed.subarray(0, packed.length - 20), 4096)), DataLossError);
  });

  it("reports what is no tar", async () => {
    await assert.rejects(listing(inChunks(new Uint8Array(2048).fill(66), 512)), DataLossError);
  });

  it("takes a directory that is said to have content for one without, as other readers do", async () => {
    const after = { name: "etc/x", body: text("x") };
    const announced = [
      ...[1, 512, 4096, 2 ** 32].map((size) => ({ name: "etc/", type: "5", size })),
      { name: "etc/", type: "5", pax: [["size", "600"]] as const },
    ];
    for (const directory of announced) {
      const tar = rawTar([directory, after]);
      for (const size of [7, 512, tar.length]) {
        assert.deepEqual(await listing(inChunks(tar, size)), ["directory etc/ 644 0:0 0 ", "file etc/x 644 0:0 1 "]);
      }
      for await (const entry of readTar(inChunks(tar, 512))) assert.equal(entry.size, entry.name === "etc/" ? 0 : 1);
    }
  });

  it("keeps the source's own error", async () => {
    const fault = new Error("the wire broke");
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      yield (await bytesOf(writeTar(files))).subarray(0, 2048);
      throw fault;
    }
    await assert.rejects(listing(source()), (reason) => reason === fault);
    const packed = gzipSync(await bytesOf(writeTar(files)));
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield packed.subarray(0, 100);
      throw fault;
    }
    await assert.rejects(listing(broken()), (reason) => reason === fault);
  });

  it("stops at its limits", async () => {
    const tar = await bytesOf(writeTar(files));
    const drain = async (limits: { maxEntries?: number; maxBytes?: number }) => {
      for await (const { body } of readTar(inChunks(gzipSync(tar), 100), limits)) for await (const _ of body);
    };
    await assert.rejects(drain({ maxEntries: 2 }), ResourceExhaustedError);
    await assert.rejects(drain({ maxBytes: 100_000 }), ResourceExhaustedError);
    await drain({ maxEntries: 5, maxBytes: tar.length });
  });
});
