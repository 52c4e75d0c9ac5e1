import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { contentsInMemory } from "../../src/embedded/snapshots/memory-contents.js";
import { MemoryTree } from "../../src/embedded/snapshots/memory-tree.js";
import { MemoryVolumes } from "../../src/embedded/snapshots/memory-volumes.js";
import {
  DataLossError,
  InvalidArgumentError,
  isContainerdError,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  ResourceExhaustedError,
} from "../../src/errors.js";
import { type TarFile, writeTar } from "../../src/tar/tar.js";
import { applyLayer } from "../../src/tree/apply-layer.js";
import { DirectoryTree } from "../../src/tree/directory-tree.js";
import { writeLayer } from "../../src/tree/layer.js";
import type { Attributes, Tree } from "../../src/tree/tree.js";
import { cleanPath, realPath } from "../../src/tree/tree-path.js";
import { bytesOf } from "../suites/snapshot-bed.js";
import { bytes, describeTree, perform, type Step, treeBeds } from "./trees.js";

const plain: Attributes = { mode: 0o644, uid: 0, gid: 0, modifiedAt: new Date(1_600_000_000_250) };
const text = (value: string) => bytes(Buffer.from(value));

for (const [kind, make] of Object.entries(treeBeds)) {
  describe(`a tree ${kind}`, () => {
    const withTree = async (
      body: (tree: Tree, volume: { reopen: () => Promise<Tree | undefined> }) => Promise<void>,
    ) => {
      await using bed = await make();
      await bed.volumes.create("abc", undefined);
      await body(await bed.volumes.open("abc"), { reopen: async () => bed.reopened()?.open("abc") });
    };
    const apply = (tree: Tree, files: readonly TarFile[]) => applyLayer(tree, writeTar(files));

    it("reads and writes whole files at any path, through links inside", () =>
      withTree(async (tree) => {
        await tree.make("etc", { ...plain, type: "directory", mode: 0o755 });
        await tree.make("link", { ...plain, type: "symlink", linkName: "/../etc/./file" });
        await tree.writeFile("/etc/file", Buffer.from("one"), 0o600);
        assert.equal(Buffer.from(await tree.readFile("link")).toString(), "one");
        await tree.writeFile("link", Buffer.from("two"));
        assert.equal(Buffer.from(await tree.readFile("etc/../etc/file")).toString(), "two");
        const node = await tree.stat("etc/file");
        assert.deepEqual([node?.type, node?.mode, node?.size, node?.links], ["file", 0o600, 3, 1]);
        await assert.rejects(tree.readFile("none"), isNotFound);
        await assert.rejects(tree.readFile("etc"), isFailedPrecondition);
        await assert.rejects(tree.writeFile("none/file", Buffer.from("x")));
        assert.equal(await tree.stat("none/file"), undefined);
      }));

    it("goes through no link where it is not told to", () =>
      withTree(async (tree) => {
        const outside = await mkdtemp(join(tmpdir(), "outside-"));
        try {
          await writeFile(join(outside, "file"), "untouched");
          await tree.make("out", { ...plain, type: "symlink", linkName: outside });
          assert.equal(await tree.stat("out/file"), undefined);
          await assert.rejects(async () => tree.read("out/file")[Symbol.asyncIterator]().next());
          await assert.rejects(tree.write("out/file", text("x"), plain));
          await assert.rejects(tree.write("out/new", text("x"), plain));
          await assert.rejects(tree.make("out/dir", { ...plain, type: "directory" }));
          await assert.rejects(tree.change("out/file", plain));
          await tree.remove("out/file").catch(() => {});
          await assert.rejects(tree.entries("out"));
          await apply(tree, [
            { name: "out/file" },
            { name: "out/.wh..wh..opq" },
            { name: "out/dir", type: "directory" },
          ]);
          assert.deepEqual(await readdir(outside), ["file"]);
          assert.equal(await readFile(join(outside, "file"), "utf8"), "untouched");
          await tree.remove("out");
          assert.ok(existsSync(outside));
        } finally {
          await rm(outside, { recursive: true });
        }
      }));

    it("does not wait for the other end of a fifo", () =>
      withTree(async (tree) => {
        await tree.make("pipe", { ...plain, type: "fifo" });
        await assert.rejects(async () => tree.read("pipe")[Symbol.asyncIterator]().next(), isFailedPrecondition);
        await assert.rejects(tree.readFile("pipe"), isFailedPrecondition);
      }));

    it("refuses layers with names no file can have, or a layer cannot", () =>
      withTree(async (tree) => {
        for (const name of ["n".repeat(256), "d/".repeat(2100), "a\0b"]) {
          await assert.rejects(apply(tree, [{ name }]), InvalidArgumentError, name);
        }
        const tar = await bytesOf(writeTar([{ name: "xyz" }]));
        // Its sum stays right: what one byte gains the other loses.
        tar[0] = 0xff;
        tar[1] = ("x".charCodeAt(0) + "y".charCodeAt(0) - 0xff) & 0xff;
        await assert.rejects(applyLayer(tree, bytes(tar)), isContainerdError);
        await assert.rejects(apply(tree, [{ name: "x", type: "symlink" }]), isInvalidArgument);
        await assert.rejects(apply(tree, [{ name: ".", type: "file" }]), isInvalidArgument);
        await assert.rejects(
          apply(tree, [
            { name: "d", type: "directory" },
            { name: "h", type: "link", linkName: "d" },
          ]),
        );
        await tree.write(".wh.odd", text(""), plain);
        const layer = writeLayer(new MemoryTree(contentsInMemory), tree);
        await assert.rejects(bytesOf(layer), isFailedPrecondition);
      }));

    it("tells of attributes that are no text", () =>
      withTree(async (tree) => {
        const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
        await tree.write("f", text("x"), plain);
        await tree.write("none", text("x"), plain);
        await tree.make("d", { ...plain, type: "directory", mode: 0o750 });
        const odd = `d/a b\n\\n\t"'ж link to x -> y*`;
        await tree.write(odd, text("x"), plain);
        await tree.change("d", { ...plain, mode: 0o750 });
        await tree.setXattrs(
          new Map([
            ["f", new Map([["user.all", value]])],
            ["d", new Map([["user.d", value]])],
          ]),
        );
        await tree.setXattrs(
          new Map([
            ["f", new Map([["user.more", Buffer.from("m")]])],
            [odd, new Map([["user.odd", value]])],
          ]),
        );
        const found = await tree.xattrs();
        assert.deepEqual([...found.keys()].sort(), ["d", odd, "f"]);
        assert.ok(value.equals(found.get(odd)?.get("user.odd") ?? Buffer.alloc(0)));
        assert.ok(value.equals(found.get("f")?.get("user.all") ?? Buffer.alloc(0)));
        assert.deepEqual([...(found.get("f")?.keys() ?? [])].sort(), ["user.all", "user.more"]);
        assert.deepEqual((await tree.stat("d"))?.modifiedAt, plain.modifiedAt);
      }));

    it("is after a restart what it was, whatever was being written at the end", () =>
      withTree(async (tree, { reopen }) => {
        await apply(tree, [
          { name: "d/f", body: Buffer.from("x") },
          { name: "d/g", type: "link", linkName: "d/f" },
        ]);
        for (let round = 0; round < 1500; round++) await tree.writeFile("count", Buffer.from(String(round)));
        const expected = await describeTree(tree);
        for (let time = 0; time < 2; time++) {
          const again = await reopen();
          if (again !== undefined) assert.deepEqual(await describeTree(again), expected);
        }
      }));

    // What GNU tar unpacks can be looked at as such a tree.
    if (kind !== "in directories") return;
    it("makes layers that GNU tar lists and unpacks as they are", () =>
      withTree(async (tree) => {
        const step = (act: Step["act"], path: string, more: Partial<Step> = {}): Step => ({
          ...{
            act,
            path,
            other: "d/file",
            attributes: { ...plain, uid: 7, gid: 8, mode: 0o4755 },
            content: Buffer.from("c"),
          },
          ...more,
        });
        await perform(tree, [
          ...[step("file", "d/file"), step("link", "hard"), step("symlink", "soft"), step("fifo", "pipe")],
          ...[
            step("device", "null"),
            step("directory", "ünï"),
            step("xattrs", "d/file"),
            step("file", "l".repeat(200)),
          ],
        ]);
        const directory = await mkdtemp(join(tmpdir(), "gnu-"));
        try {
          const layer = await bytesOf(writeLayer(new MemoryTree(contentsInMemory), tree));
          await writeFile(join(directory, "layer.tar"), layer);
          const at = ["--file", join(directory, "layer.tar")];
          const { stdout } = await runCommand("tar", ["--list", "--quoting-style=literal", ...at]);
          const paths = (await describeTree(tree))
            .map((line) => line.split(" | ")[0] ?? "")
            .filter((path) => path !== "");
          assert.deepEqual(
            stdout
              .trim()
              .split("\n")
              .map((name) => name.replace(/\/$/, "")),
            paths,
          );
          await runCommand("mkdir", [join(directory, "fs")]);
          await runCommand("tar", ["--extract", "--xattrs", "--xattrs-include=*", "-C", join(directory, "fs"), ...at]);
          const unpacked = new DirectoryTree(join(directory, "fs"));
          assert.deepEqual((await describeTree(unpacked)).slice(1), (await describeTree(tree)).slice(1));
        } finally {
          await rm(directory, { recursive: true });
        }
      }));
  });
}

describe("a tree in memory", () => {
  it("takes layers up to a size, and no larger ones", async () => {
    const tree = new MemoryTree({ ...contentsInMemory, mostLayerBytes: 10_000 });
    await applyLayer(tree, writeTar([{ name: "fits", body: new Uint8Array(5000) }]));
    const bomb = applyLayer(tree, writeTar([{ name: "large", body: new Uint8Array(50_000) }]));
    await assert.rejects(bomb, ResourceExhaustedError);
  });

  it("undoes what a full disk has no room for, and goes on when there is some", {
    skip: (process.platform !== "linux" || process.getuid?.() !== 0) && "only uid 0 on Linux can mount a small disk",
  }, async () => {
    const disk = await mkdtemp(join(tmpdir(), "full-"));
    await runCommand("mount", ["-t", "tmpfs", "-o", "size=128k", "none", disk]);
    try {
      const volumes = new MemoryVolumes(join(disk, "trees"));
      await volumes.create("abc", undefined);
      const tree = await volumes.open("abc");
      await tree.make("d", { ...plain, type: "directory" });
      await tree.write("d/file", text("old"), plain);
      await tree.link("d/link", "d/file");
      await writeFile(join(disk, "filler"), Buffer.alloc(96 * 1024));
      let made = 0;
      const fill = async () => {
        for (; ; made++) await tree.make(`made ${made}`, { ...plain, type: "directory" });
      };
      await assert.rejects(fill(), ResourceExhaustedError);
      const before = await describeTree(tree);
      const none = async function* (): AsyncGenerator<Uint8Array> {};
      for (const act of [
        () => tree.make(`made ${made}`, { ...plain, type: "directory" }),
        () => tree.write("d/file", none(), plain),
        () => tree.write("d/other", text("x".repeat(200_000)), plain),
        () => tree.remove("d"),
        () => tree.setXattrs(new Map([["d/file", new Map([["user.large", Buffer.alloc(5000)]])]])),
      ]) {
        await assert.rejects(act(), ResourceExhaustedError);
        assert.deepEqual(await describeTree(tree), before);
      }
      const again = async () => describeTree(await new MemoryVolumes(join(disk, "trees")).open("abc"));
      await rm(join(disk, "filler"));
      assert.deepEqual(await again(), before);
      await tree.remove("d/link");
      await tree.make("after", { ...plain, type: "directory" });
      assert.deepEqual(await again(), await describeTree(tree));
      assert.equal(await tree.readFile("d/file").then(String), "old");
    } finally {
      await runCommand("umount", [disk]);
      await rm(disk, { recursive: true });
    }
  });

  it("has a journal whose end may be torn, and nothing else", async () => {
    const make = treeBeds["in memory and a directory"];
    assert.ok(make);
    await using bed = await make();
    await bed.volumes.create("abc", undefined);
    const tree = await bed.volumes.open("abc");
    await tree.write("kept", text("kept"), plain);
    const expected = await describeTree(tree);
    const journal = bed.path("abc/journal");
    const whole = await readFile(journal, "utf8");
    await writeFile(journal, `${whole}{"inode":3,"node":{"type":"fi`);
    await writeFile(bed.path("abc/data/half"), "of a file");
    assert.deepEqual(await describeTree((await bed.reopened()?.open("abc")) ?? tree), expected);
    assert.equal(await readFile(journal, "utf8").then((now) => now.endsWith("\n")), true);
    assert.equal((await readdir(bed.path("abc/data"))).length, 1);
    await writeFile(journal, `{"torn\n${whole}`);
    await assert.rejects(async () => bed.reopened()?.open("abc"), DataLossError);
  });
});

describe("a path in a tree", () => {
  it("is cleaned so that it leads nowhere out", () => {
    const cases = {
      "": "",
      "/": "",
      ".": "",
      "..": "",
      "../a": "a",
      "/a//b/./c/": "a/b/c",
      "a/../../b": "b",
      "a/..": "",
    };
    for (const [path, clean] of Object.entries(cases)) assert.equal(cleanPath(path), clean, path);
  });

  it("follows links as if the tree were all there is", async () => {
    const tree = new MemoryTree(contentsInMemory);
    const link = (path: string, linkName: string) => tree.make(path, { ...plain, type: "symlink", linkName });
    await tree.make("d", { ...plain, type: "directory" });
    await link("up", "../../..");
    await link("d/abs", "/d");
    await link("d/loop", "loop");
    await link("d/last", "x/y");
    const cases = { "up/d": "d", "d/abs/abs/abs/new": "d/new", "d/last": "d/x/y", "none/../d": "d", "d/abs/../up": "" };
    for (const [path, real] of Object.entries(cases)) assert.equal(await realPath(tree, path), real, path);
    assert.equal(await realPath(tree, "d/abs/last", false), "d/last");
    await assert.rejects(realPath(tree, "d/loop"), isFailedPrecondition);
  });
});
