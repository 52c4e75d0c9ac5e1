import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { prepareUpperCopy } from "../../src/client/upper-copy.js";

describe("a copy of a writable layer", { skip: process.platform === "linux" ? false : "cp of Linux" }, () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "upper-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  it("has what is there when criu is done, and not what criu made for a moment", async () => {
    const [upper, path] = [join(root, "snapshot", "fs"), join(root, "dump")];
    for (const directory of ["tmp/cr-tmpfs.abc123", "tmp/cr-tmpfs.own456", "cr-tmpfs.XYZ789", "tmp/other.abc123"])
      await mkdir(join(upper, directory), { recursive: true });
    await writeFile(join(upper, "tmp", "file"), "of the container");
    await mkdir(path);
    const mount = { type: "overlay", source: "overlay", target: "", options: [`upperdir=${upper}`, "workdir=/w"] };
    const directory = { path, content: join(root, "content"), bytes: 0, images: join(path, "images") };
    const made = await prepareUpperCopy([mount], { ...directory, remove: async () => {} });
    assert.ok(made);
    assert.equal(await made.copy({}), true);
    await rmdir(join(upper, "tmp", "cr-tmpfs.abc123"));
    await rmdir(join(upper, "cr-tmpfs.XYZ789"));
    const [copied] = await made.finish();
    const copy = join(path, "upper");
    assert.deepEqual(copied?.options, [`upperdir=${copy}`, `workdir=${join(path, "work")}`]);
    assert.deepEqual(await readdir(copy), ["tmp"]);
    assert.deepEqual((await readdir(join(copy, "tmp"))).sort(), ["cr-tmpfs.own456", "file", "other.abc123"]);
  });

  it("tells that it is not all, when something goes while it is made", async () => {
    const [upper, path] = [join(root, "snapshot", "fs"), join(root, "dump")];
    await mkdir(upper, { recursive: true });
    await mkdir(path);
    const mount = { type: "overlay", source: "overlay", target: "", options: [`upperdir=${upper}`, "workdir=/w"] };
    const directory = { path, content: join(root, "content"), bytes: 0, images: join(path, "images") };
    const made = await prepareUpperCopy([mount], { ...directory, remove: async () => {} });
    await rmdir(upper);
    assert.equal(await made?.copy({}), false);
  });
});
