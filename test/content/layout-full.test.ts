import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { whyNoLab } from "../../lab/preflight.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import { isContainerdError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { all } from "../suites/content-bed.js";

const MIB = 1024 * 1024;
const isFull = (reason: unknown): boolean => isContainerdError(reason, "resource_exhausted");

describe("a layout on a disk that is full", { skip: (await whyNoLab()) ?? false }, () => {
  let mount = "";
  let layout: LayoutStore;

  before(async () => {
    mount = await mkdtemp(join(tmpdir(), "layout-full-"));
    await runCommand("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", mount]);
    layout = await LayoutStore.open(join(mount, "layout"), { create: true });
  });
  after(async () => {
    await runCommand("umount", [mount]);
    await rm(mount, { recursive: true });
  });

  it("says so, keeps what it took, and goes on when there is space again", async () => {
    const filler = await writeBlob(layout, randomBytes(2 * MIB), { mediaType: "x", labels: { a: "b" } });
    const bytes = randomBytes(3 * MIB);
    const writer = await layout.writer("big");
    await writer.write(bytes.subarray(0, MIB));
    await assert.rejects(writer.write(bytes.subarray(MIB)), isFull);
    assert.equal(writer.offset, MIB);
    // What was taken is a blob of its own; nothing of the write that failed is in it.
    const info = await writer.commit();
    assert.deepEqual([info.size, info.digest], [MIB, digestOf(bytes.subarray(0, MIB))]);
    assert.ok(bytes.subarray(0, MIB).equals(await readBlob(layout, { mediaType: "x", ...info })));
    await layout.delete(info.digest);

    await using second = await layout.writer("big", { size: bytes.length, expected: digestOf(bytes) });
    await second.write(bytes.subarray(0, MIB));
    await assert.rejects(second.write(bytes.subarray(MIB)), isFull);
    await writeFile(join(mount, "others"), randomBytes(2 * MIB)).catch(() => {});
    await assert.rejects(writeBlob(layout, randomBytes(MIB), { mediaType: "x", labels: { c: "d" } }), isFull);
    await assert.rejects(layout.update(filler.digest, { c: "d" }), isFull);
    await rm(join(mount, "others"));
    assert.deepEqual((await layout.info(filler.digest)).labels, { a: "b" });
    await layout.delete(filler.digest);
    await second.write(bytes.subarray(second.offset));
    assert.equal((await second.commit()).digest, digestOf(bytes));
    assert.deepEqual(
      (await all(layout.list())).map(({ digest }) => digest),
      [digestOf(bytes)],
    );
  });
});
