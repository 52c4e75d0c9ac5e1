import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type ArchiveTools, prepareArchiveTools } from "../../lab/archive-tools.js";
import { runCommand } from "../../lab/command.js";
import { whyNoLab } from "../../lab/preflight.js";
import {
  applyRootfsDiff,
  createRootfsDiff,
  type RootfsChange,
  type RootfsDiffSource,
  removeDeletedFiles,
} from "../../src/crutils/index.js";
import { type Description, describeDirectory } from "./description.js";
import { copyTree, makeBase, makeChanges } from "./kitchen.js";

const whyNot = await whyNoLab();

describe("the kitchen tree", { skip: whyNot ?? false }, () => {
  const room = mkdtempSync(join(tmpdir(), "kitchen-"));
  const at = (name: string) => join(room, name);
  let tools: ArchiveTools;
  let expected: Description;
  let count = 0;

  before(async () => {
    tools = await prepareArchiveTools();
    await makeBase(at("base"));
    await copyTree(at("base"), at("changed"));
    await makeChanges(at("changed"), tools.setfattr);
    expected = await describeDirectory(at("changed"), tools.getfattr);
    assert.ok(Object.keys(expected).length > 60);
    assert.ok(Object.values(expected).some((line) => line.includes("user.binary=0xff00fe0a3dc3")));
  });
  after(() => rmSync(room, { recursive: true }));

  /** A directory for an archive, and a root filesystem as the image has it. */
  const place = async () => {
    count += 1;
    const [archive, rootfs] = [at(`archive-${count}`), at(`rootfs-${count}`)];
    mkdirSync(archive);
    await copyTree(at("base"), rootfs);
    return { archive, rootfs };
  };

  /** What differs, path by path. */
  const differences = async (rootfs: string) => {
    const found = await describeDirectory(rootfs, tools.getfattr);
    const paths = [...new Set([...Object.keys(found), ...Object.keys(expected)])];
    return paths.filter((path) => found[path] !== expected[path]).map((path) => [path, found[path], expected[path]]);
  };
  const twoTrees = (): RootfsDiffSource => ({ lower: at("base"), mountPoint: at("changed") });

  it("is the same again, whatever is applied first", async () => {
    const { archive, rootfs } = await place();
    const created = await createRootfsDiff(twoTrees(), archive);
    assert.deepEqual(created, { includeFiles: ["rootfs-diff.tar", "deleted.files"], unkept: [] });
    const applied = await applyRootfsDiff(archive, rootfs, { devices: true });
    assert.deepEqual(applied?.unkept, []);
    await removeDeletedFiles(archive, rootfs);
    assert.deepEqual(await differences(rootfs), []);
    for (const name of ["sparse", "hole"]) {
      const { blocks, size } = statSync(join(rootfs, name));
      assert.ok(blocks * 512 < size / 100, `${name} takes ${blocks} blocks`);
    }
    const other = at("other-order");
    await copyTree(at("base"), other);
    await removeDeletedFiles(archive, other);
    await applyRootfsDiff(archive, other, { devices: true });
    assert.deepEqual(await differences(other), []);
    assert.deepEqual((await createRootfsDiff({ lower: at("changed"), mountPoint: other }, archive)).includeFiles, []);
  });

  it("is the same again by a list of changes, as an engine keeps it", async () => {
    const { archive, rootfs } = await place();
    const before = await describeDirectory(at("base"), tools.getfattr);
    const changes = Object.keys({ ...before, ...expected })
      .filter((path) => before[path] !== expected[path])
      .map((path): RootfsChange => {
        const kind = expected[path] === undefined ? "deleted" : before[path] === undefined ? "added" : "modified";
        return { path: join("/", path), kind };
      })
      // Of what is gone with all below it only the uppermost is listed; of what was made anew that it was deleted, too.
      .filter(({ path, kind }) => kind !== "deleted" || expected[dirname(path.slice(1))]?.startsWith("4"));
    await createRootfsDiff(
      { mountPoint: at("changed"), changes: [...changes, { path: "/again", kind: "deleted" }] },
      archive,
    );
    await applyRootfsDiff(archive, rootfs, { devices: true });
    await removeDeletedFiles(archive, rootfs);
    assert.deepEqual(await differences(rootfs), []);
  });

  it("is the same again by what an overlay has written", async (context) => {
    const [upper, work, merged] = ["upper", "work", "merged"].map(at) as [string, string, string];
    for (const path of [upper, work, merged]) mkdirSync(path);
    chmodSync(upper, 0o755);
    const options = `lowerdir=${at("base")},upperdir=${upper},workdir=${work}`;
    const mounted = await runCommand("mount", ["-t", "overlay", "overlay", "-o", options, merged], {
      allowFailure: true,
    });
    if (mounted.code !== 0) return context.skip(mounted.stderr);
    let whole: Description;
    try {
      await makeChanges(merged, tools.setfattr);
      whole = await describeDirectory(merged, tools.getfattr);
    } finally {
      await runCommand("umount", [merged]);
    }
    for (const lowerdirs of [[at("base")], undefined]) {
      const { archive, rootfs } = await place();
      const { unkept } = await createRootfsDiff({ upperdir: upper, lowerdirs }, archive);
      assert.deepEqual(unkept, []);
      await applyRootfsDiff(archive, rootfs, { devices: true });
      await removeDeletedFiles(archive, rootfs);
      const found = await describeDirectory(rootfs, tools.getfattr);
      // An overlay copies a file up under one of its names only, so that these are two files then.
      for (const path of Object.keys(whole)) assert.equal(found[path], whole[path], path);
      assert.deepEqual(Object.keys(found), Object.keys(whole));
    }
  });

  it("is written so that GNU tar and bsdtar unpack the same", async () => {
    const { archive } = await place();
    mkdirSync(at("nothing"), { mode: 0o700 });
    await createRootfsDiff({ lower: at("nothing"), mountPoint: at("changed") }, archive);
    const tar = join(archive, "rootfs-diff.tar");
    const whole = ["--same-owner", "--same-permissions", "--numeric-owner", "--xattrs"];
    const unpackers: Readonly<Record<string, readonly string[]>> = {
      tar: ["--extract", "--file", tar, ...whole, "--xattrs-include=*"],
      [tools.bsdtar]: ["-xf", tar, ...whole],
    };
    for (const [program, args] of Object.entries(unpackers)) {
      const rootfs = at(`by-${basename(program)}`);
      mkdirSync(rootfs);
      await runCommand(program, [...args, "-C", rootfs], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
      // To bsdtar two ways to write a letter are one, and the time of a directory that was there is not its to set.
      const known = program === "tar" ? [] : [".", "e\u0301"];
      const found = (await differences(rootfs)).filter(([path = ""]) => !known.includes(path));
      assert.deepEqual(found, [], program);
    }
  });

  it("is the same again from what GNU tar and bsdtar wrote", async () => {
    const packers: Readonly<Record<string, readonly [string, readonly string[]]>> = {
      "gnu-tar": ["tar", ["--create", "--format=posix", "--xattrs", "--xattrs-include=*", "--numeric-owner"]],
      bsdtar: [tools.bsdtar, ["-c", "--format=pax", "--xattrs", "--acls", "--no-read-sparse"]],
    };
    for (const [name, [program, args]] of Object.entries(packers)) {
      const archive = at(`from-${name}`);
      const rootfs = at(`from-${name}-rootfs`);
      mkdirSync(archive);
      mkdirSync(rootfs);
      const file = ["--file", join(archive, "rootfs-diff.tar"), "-C", at("changed"), "."];
      await runCommand(program, [...args, ...file], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
      const applied = await applyRootfsDiff(archive, rootfs, { devices: true, whiteouts: false });
      assert.deepEqual(applied?.unkept, [], name);
      assert.deepEqual(await differences(rootfs), [], name);
    }
  });
});
