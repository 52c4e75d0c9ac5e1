import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { limitsOf } from "../../src/checkpoint/archive/limits.js";
import { dumpFacts } from "../../src/checkpoint/convert/dump-facts.js";
import { ImageMagic } from "../../src/checkpoint/criu/image.js";
import { type ArchiveLimits, inspectArchive } from "../../src/checkpoint/index.js";
import { MemoryStore, writeBlob } from "../../src/content/index.js";
import { type ErrorCode, isContainerdError } from "../../src/errors.js";
import { criuImage, field } from "../fixtures/criu-image.js";
import { type RawMember, rawTar } from "../fuzz/raw-tar.js";

const MOST_RECORD = 4 * 2 ** 20;

async function refused(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(work, (reason) => {
    assert.ok(isContainerdError(reason), String(reason));
    assert.match(reason.message, message);
    assert.equal(reason.code, code);
    return true;
  });
}

function inspected(images: Readonly<Record<string, Buffer>>, limits: ArchiveLimits = {}) {
  async function* archive() {
    const members = Object.entries(images).map(([name, body]): RawMember => ({ name: `checkpoint/${name}`, body }));
    yield rawTar([{ name: "config.dump", body: Buffer.from("{}") }, ...members]);
  }
  return inspectArchive(archive(), limits);
}

async function facts(images: Readonly<Record<string, Buffer>>, limits: ArchiveLimits = {}) {
  const store = new MemoryStore();
  const tar = rawTar(Object.entries(images).map(([name, body]) => ({ name, body })));
  const task = await writeBlob(store, tar, { mediaType: "application/vnd.test" });
  return dumpFacts(store, task, limitsOf(limits), {});
}

describe("a dump nobody vouches for", () => {
  it("has sets of capabilities of 64 bits", async () => {
    const core = (words: number) =>
      criuImage(ImageMagic.core, [[field(5, field(10, field(9, Buffer.alloc(words, 0x7f))))]]);
    await refused(facts({ "core-1.img": core(3) }), "data_loss", /"core-1\.img".* more than 2 numbers/);
    await refused(facts({ "core-1.img": core(MOST_RECORD - 64) }), "data_loss", /more than 2 numbers/);
    assert.equal((await facts({ "core-1.img": core(2) })).capabilities.size, 14);
  });

  it("has no longer paths than the kernel, and not too much text at all", async () => {
    const files = (length: number, count: number) => ({
      "reg-files.img": criuImage(
        ImageMagic.regFiles,
        Array.from({ length: count }, (_, id) => [field(1, id + 1), field(6, "a".repeat(length))]),
      ),
    });
    const long = /"(checkpoint\/)?reg-files\.img".* a text of 4097 bytes, at most 4096/;
    await refused(inspected(files(4097, 1)), "resource_exhausted", long);
    await refused(facts(files(4097, 1)), "resource_exhausted", long);
    await inspected(files(4096, 100), { maxTextBytes: 409_600 });
    for (const read of [inspected, facts]) {
      await refused(read(files(4096, 100), { maxTextBytes: 4e5 }), "resource_exhausted", /400000 bytes of text/);
    }
  });

  it("has its mounts counted", async () => {
    const mounts = (count: number) => ({
      "mountpoints-1.img": criuImage(
        ImageMagic.mountPoints,
        Array.from({ length: count }, () => [field(7, "/")]),
      ),
    });
    assert.equal((await facts(mounts(10), { maxRecords: 10 })).mounts.length, 10);
    await refused(facts(mounts(11), { maxRecords: 10 }), "resource_exhausted", /more than 10 records/);
  });

  it("has no addresses but those there are, and runs of pages that are counted", async () => {
    const socket = field(4, field(11, Buffer.alloc(5, 1)));
    const files = criuImage(ImageMagic.files, [[field(2, 1), socket]]);
    await refused(inspected({ "files.img": files }), "data_loss", /field 11 has more than 4 numbers/);
    const runs = criuImage(ImageMagic.pagemap, [[field(1, 1)], ...Array.from({ length: 9 }, () => [field(2, 1)])]);
    await inspected({ "pagemap-1.img": runs }, { maxRecords: 9 });
    await refused(inspected({ "pagemap-1.img": runs }, { maxRecords: 8 }), "resource_exhausted", /8 records/);
  });

  it("has no arguments that are larger than what there is room for", async () => {
    const pids = Array.from({ length: 20 }, (_, at) => at + 1);
    const text = [4096, 4096 + 6 * 2 ** 20] as const;
    const memory = criuImage(ImageMagic.mm, [
      [field(8, text[0]), field(9, text[1]), field(10, text[0]), field(11, text[1])],
    ]);
    const pagemap = criuImage(ImageMagic.pagemap, [[field(1, 1)]]);
    const images = {
      "pstree.img": criuImage(
        ImageMagic.pstree,
        pids.map((pid) => [field(1, pid)]),
      ),
      ...Object.fromEntries(
        pids.flatMap((pid) => [[`mm-${pid}.img`, memory] as const, [`pagemap-${pid}.img`, pagemap] as const]),
      ),
    };
    await refused(inspected(images), "resource_exhausted", /more than 33554432 bytes of text/);
  });
});
