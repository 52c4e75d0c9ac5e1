import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { repositoryRoot } from "../../lab/repository.js";
import { isContainerdError } from "../../src/errors.js";
import { decompress } from "../../src/tar/decompress.js";
import { Xxh64 } from "../../src/tar/xxh64.js";

// What the command zstd 1.5.4 made, with the options in the names.
const fixture = (name: string) => readFileSync(join(repositoryRoot(), "test/fixtures/zstd", `${name}.zst`));
const TEXT = Buffer.from("one two three four five\n".repeat(40_000));
const MIXED = Buffer.concat([TEXT, noise(9000), Buffer.alloc(1_000_000), noise(9000)]);
const SKIPPABLE = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from("hello")]);

/** Bytes that do not compress, the same ones each time. */
function noise(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, at) =>
    createHash("sha256").update(String(at)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

async function unpack(packed: Uint8Array, step = packed.length): Promise<Buffer> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < packed.length; at += step) yield packed.subarray(at, at + step);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(pieces())) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function refusal(packed: Uint8Array): Promise<string> {
  try {
    await unpack(packed);
  } catch (reason) {
    assert.ok(isContainerdError(reason), String(reason));
    return reason.code;
  }
  return "nothing";
}

describe("zstd", () => {
  const cases: readonly (readonly [string, Buffer, Buffer])[] = [
    ["a frame", fixture("text"), TEXT],
    ["what does not compress", fixture("fast"), MIXED],
    ["a frame without checksum", fixture("unchecked"), MIXED],
    ["the best there is", fixture("ultra"), MIXED],
    ["a long window", fixture("long"), MIXED],
    ["two frames", Buffer.concat([fixture("text"), fixture("fast")]), Buffer.concat([TEXT, MIXED])],
    [
      "frames and what is to be skipped",
      Buffer.concat([fixture("text"), SKIPPABLE, fixture("text"), SKIPPABLE]),
      Buffer.concat([TEXT, TEXT]),
    ],
    ["nothing", fixture("empty"), Buffer.alloc(0)],
    ["one byte", fixture("one"), noise(1)],
  ];
  for (const [name, packed, expected] of cases) {
    it(`unpacks ${name}, in pieces of any size`, async () => {
      for (const step of [packed.length, 1013]) assert.ok((await unpack(packed, step)).equals(expected));
      if (packed.length < 1000) assert.ok((await unpack(packed, 1)).equals(expected));
    });
  }

  it("refuses what is cut short, wherever it is", async () => {
    const packed = fixture("text");
    for (let length = 4; length < packed.length; length += 1) {
      assert.equal(await refusal(packed.subarray(0, length)), "data_loss", `cut after ${length} bytes`);
    }
  });

  it("refuses a wrong checksum, and what is no frame behind one", async () => {
    const packed = Buffer.from(fixture("text"));
    const last = packed.length - 1;
    packed[last] = (packed[last] ?? 0) ^ 1;
    assert.equal(await refusal(packed), "data_loss");
    assert.equal(await refusal(Buffer.concat([fixture("text"), Buffer.from("more")])), "data_loss");
  });

  it("refuses, in words of ours, what has a flipped bit, or takes it for what it was", async () => {
    const packed = fixture("text");
    for (let at = 4; at < packed.length; at += 1) {
      for (const bit of [1, 16, 128]) {
        const flipped = Buffer.from(packed);
        flipped[at] = (flipped[at] ?? 0) ^ bit;
        assert.notEqual(await refusal(flipped), "unknown");
      }
    }
  });

  it("refuses Huffman weights that have no end", async () => {
    // One bit of what zstd made is another: two states follow each other without taking a bit.
    assert.equal(await refusal(fixture("endless-weights")), "data_loss");
  });

  it("refuses sequences that make more than a block may hold", async () => {
    // One literal, 98 047 times nothing of it, and each time a match of 65 539 bytes, for which it has no bits.
    const block = [0x08, 0x41, 255, 255, 255, 0b01010100, 0, 0, 52, 0x80];
    const header = [(block.length << 3) | 5, 0, 0];
    assert.equal(await refusal(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, ...header, ...block])), "data_loss");
  });

  it("refuses a window that would fill the memory", async () => {
    // 31 in the upper five bits asks for 2 TiB.
    assert.equal(await refusal(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 1, 0, 0])), "resource_exhausted");
  });
});

describe("xxh64", () => {
  const known: readonly (readonly [number, number])[] = [
    [0, 0x51d8e999],
    [1, 0xdfceb1b6],
    [3, 0xcffd197e],
    [4, 0xfa39e7eb],
    [8, 0xee56aa28],
    [31, 0xcd046fc4],
    [32, 0x40d346e8],
    [33, 0x2cb9464b],
    [63, 0x1d61042],
    [100, 0xf7a76808],
    [4096, 0xfad93bd2],
    [100001, 0xb96f11c7],
  ];
  for (const [length, low] of known) {
    it(`of ${length} bytes has the lower half that zstd wrote behind them`, () => {
      const bytes = noise(length);
      const hash = new Xxh64();
      hash.update(bytes.subarray(0, length / 3));
      hash.update(bytes.subarray(length / 3));
      assert.equal(Number(hash.digest() & 0xffffffffn), low);
    });
  }
});
