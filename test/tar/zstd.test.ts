import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import * as zlib from "node:zlib";
import { DataLossError, NotImplementedError } from "../../src/errors.js";
import { decompress } from "../../src/tar/decompress.js";

const { zstdCompressSync: pack } = zlib as { zstdCompressSync?: (bytes: Uint8Array, options?: object) => Buffer };
// A frame of five bytes that say "abcde", as a raw block.
const RAW = Buffer.from("28b52ffd2005290000" + "6162636465", "hex");

async function unpacked(bytes: Uint8Array, size: number): Promise<Buffer> {
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(source())) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("zstd", () => {
  if (pack === undefined) {
    it("is refused by name where this Node.js has none", async () => {
      await assert.rejects(unpacked(RAW, 100), NotImplementedError);
    });
    return;
  }

  it("is unpacked frame by frame, past those that only programs of one kind know", async () => {
    const [large, small] = [randomBytes(300_000), Buffer.alloc(300_000, "ab")];
    const checksum = { params: { [(zlib.constants as Record<string, number>)["ZSTD_c_checksumFlag"] ?? 0]: 1 } };
    const note = Buffer.concat([Buffer.from("5a2a4d1803000000", "hex"), Buffer.from("abc")]);
    const parts = [
      pack(large),
      note,
      pack(small, checksum),
      pack(new Uint8Array()),
      RAW,
      note,
      pack(Buffer.from("end")),
    ];
    const whole = Buffer.concat([large, small, Buffer.from("abcde"), Buffer.from("end")]);
    for (const size of [1000, 65_536, 10_000_000]) {
      assert.ok((await unpacked(Buffer.concat(parts), size)).equals(whole), String(size));
    }
    for (const first of [RAW, Buffer.concat([note, RAW])]) assert.equal((await unpacked(first, 1)).toString(), "abcde");
  });

  it("is told to be broken when it is cut, damaged, or followed by something else", async () => {
    const packed = pack(randomBytes(10_000));
    for (const length of [5, 20, packed.length - 1]) {
      await assert.rejects(unpacked(packed.subarray(0, length), 1000), DataLossError, String(length));
    }
    await assert.rejects(unpacked(Buffer.concat([packed, Buffer.from("more")]), 1000), DataLossError);
    await assert.rejects(unpacked(Buffer.concat([packed, packed.subarray(0, 2)]), 1000), DataLossError);
  });
});
