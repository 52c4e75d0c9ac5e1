import assert from "node:assert/strict";
import { lutimes, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { contentsInMemory } from "../../src/embedded/snapshots/memory-contents.js";
import { MemoryTree } from "../../src/embedded/snapshots/memory-tree.js";
import { InvalidArgumentError, NotImplementedError } from "../../src/errors.js";
import { checksumOf } from "../../src/tar/blocks.js";
import { instantOf, nanosecondsOf } from "../../src/tar/instant.js";
import { type TarFile, writeTar } from "../../src/tar/tar.js";
import { applyLayer } from "../../src/tree/apply-layer.js";
import { changesBetween } from "../../src/tree/changes.js";
import { writeLayer } from "../../src/tree/layer.js";
import type { Tree } from "../../src/tree/tree.js";
import { bytes, treeBeds } from "../embedded/trees.js";
import { bytesOf } from "../suites/snapshot-bed.js";

const CAPABILITY = Buffer.from("0100000200040000000000000000000000000000", "hex");
const file = (name: string, content = "x"): TarFile => ({ name, body: Buffer.from(content) });
/** A file by which its owner may do more than others. */
const capable = (name: string): TarFile => ({
  ...file(name),
  xattrs: new Map([
    ["security.capability", CAPABILITY],
    ["user.a", Buffer.from("a")],
  ]),
});

function resummed(tar: Buffer): Buffer {
  tar.write(`${checksumOf(tar).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return tar;
}

for (const [kind, make] of Object.entries(treeBeds)) {
  describe(`a layer applied to a tree ${kind}`, () => {
    const withTree = async (body: (tree: Tree) => Promise<void>) => {
      await using bed = await make();
      await bed.volumes.create("abc", undefined);
      await body(await bed.volumes.open("abc"));
    };
    const apply = (tree: Tree, files: readonly TarFile[]) => applyLayer(tree, writeTar(files));
    const attributesIn = async (tree: Tree) =>
      Object.fromEntries([...(await tree.xattrs())].map(([path, xattrs]) => [path, [...xattrs.keys()].sort()]));

    it("sets times before 1970", () =>
      withTree(async (tree) => {
        const times = [-1, -250, -1_500, -152_650_433_250, -2_000_000_001];
        for (const [at, ms] of times.entries()) {
          const modifiedAt = new Date(ms);
          await apply(tree, [
            { ...file(`f${at}`), modifiedAt },
            { name: `d${at}/`, type: "directory", modifiedAt },
            { name: `l${at}`, type: "symlink", linkName: "x", modifiedAt },
          ]);
          for (const name of ["f", "d", "l"]) {
            assert.deepEqual((await tree.stat(`${name}${at}`))?.modifiedAt, modifiedAt, `${name} ${ms}`);
          }
        }
      }));

    it("deletes what has a name as long as a name can be, and nothing longer", () =>
      withTree(async (tree) => {
        const long = [251, 252, 255].map((length) => "n".repeat(length));
        const below = `${`${"d".repeat(254)}/`.repeat(15)}${"e".repeat(15)}/`;
        const names = ["", "d/", below].flatMap((above) => long.map((name) => `${above}${name}`));
        for (const name of names) await apply(tree, [file(name)]);
        const hidden = names.map((name) => ({ name: name.replace(/(?=n+$)/, ".wh.") }));
        for (const [at, { name }] of hidden.entries()) {
          await apply(tree, [{ name }]);
          assert.equal(await tree.stat(names[at] ?? ""), undefined);
        }
        for (const name of [`.wh.${"n".repeat(256)}`, `${below}.wh.${"n".repeat(256)}`, `.wh.${"n".repeat(252)}/f`]) {
          await assert.rejects(apply(tree, [{ name }]), InvalidArgumentError, name);
        }
        for (const name of long) await apply(tree, [file(name)]);
        await applyLayer(tree, writeLayer(tree, new MemoryTree(contentsInMemory)));
        for (const name of long) assert.equal(await tree.stat(name), undefined);
      }));

    it("is refused when a link in it points to what is not UTF-8", () =>
      withTree(async (tree) => {
        await apply(tree, [file("there")]);
        for (const type of ["symlink", "link"] as const) {
          const tar = await bytesOf(writeTar([{ name: "l", type, linkName: "there" }]));
          tar[157] = 0xe9;
          await assert.rejects(applyLayer(tree, bytes(resummed(tar))), InvalidArgumentError, type);
          assert.equal(await tree.stat("l"), undefined);
        }
      }));

    it("is refused when something in it has an owner that cannot be", () =>
      withTree(async (tree) => {
        for (const odd of [{ uid: 2 ** 32 }, { gid: 2 ** 32 - 1 }, { uid: -2 }, { gid: -1 }]) {
          await assert.rejects(apply(tree, [{ ...file("f"), ...odd }]), InvalidArgumentError, JSON.stringify(odd));
          assert.equal(await tree.stat("f"), undefined);
        }
        const tar = await bytesOf(writeTar([file("f")]));
        tar.write("zzzzzzz", 108);
        await assert.rejects(applyLayer(tree, bytes(resummed(tar))), InvalidArgumentError);
        await apply(tree, [{ ...file("f"), uid: 2 ** 32 - 2, gid: 2 ** 32 - 2 }]);
        const node = await tree.stat("f");
        assert.deepEqual([node?.uid, node?.gid], [2 ** 32 - 2, 2 ** 32 - 2]);
      }));

    it("is refused when a link in it leads where nothing can be", () =>
      withTree(async (tree) => {
        const targets = [`${"/".repeat(300_000)}x`, "x/".repeat(2048), "a\0b", "ж".repeat(2048)];
        for (const linkName of targets) {
          for (const type of ["symlink", "link"] as const) {
            await assert.rejects(apply(tree, [{ name: "l", type, linkName }, file("l/f")]), InvalidArgumentError);
            assert.equal(await tree.stat("l"), undefined);
          }
        }
        await apply(tree, [{ name: "l", type: "symlink", linkName: `${"/".repeat(4094)}d` }, file("l/f")]);
        assert.equal((await tree.stat("d/f"))?.type, "file");
        const long = "n".repeat(256);
        await assert.rejects(apply(tree, [{ name: "h", type: "link", linkName: long }]), InvalidArgumentError);
        const through = apply(tree, [{ name: "s", type: "symlink", linkName: `${long}/x` }, file("s/f")]);
        await assert.rejects(through, InvalidArgumentError);
        await assert.rejects(tree.readFile(`/${long}`), InvalidArgumentError);
      }));

    it("leaves what takes another's place none of its extended attributes", () =>
      withTree(async (tree) => {
        const both = ["security.capability", "user.a"];
        await apply(tree, [
          ...[capable("replaced"), file("replaced", "other")],
          ...[capable("given-others"), { ...file("given-others"), xattrs: new Map([["user.b", Buffer.from("b")]]) }],
          ...[capable("link"), { name: "link", type: "symlink", linkName: "replaced" } as const],
          ...[capable("hidden"), { name: ".wh.hidden" }, file("hidden")],
          ...[capable("d/below"), { name: ".wh.d" }, file("d/below")],
          ...[capable("e/f/below"), file("e"), { name: "e/", type: "directory" } as const, file("e/f/below")],
          ...[capable("kept"), file("keptlong")],
          ...[file("again"), capable("again")],
        ]);
        assert.deepEqual(await attributesIn(tree), { "given-others": ["user.b"], kept: both, again: both });
      }));

    it("leaves a file its extended attributes when the name goes under which they came", () =>
      withTree(async (tree) => {
        const link = (name: string, linkName: string): TarFile => ({ name, type: "link", linkName });
        await apply(tree, [
          ...[capable("a"), link("b", "a"), file("a", "other")],
          ...[capable("c"), link("d", "c"), link("e", "d"), { name: ".wh.c" }, { name: ".wh.d" }],
        ]);
        const both = ["security.capability", "user.a"];
        assert.deepEqual(await attributesIn(tree), { b: both, e: both });
      }));
  });
}

if (treeBeds["in directories"] !== undefined) {
  describe("a layer of a directory", () => {
    it("is not made of a link to what is not UTF-8, and is where that did not change", async () => {
      const make = treeBeds["in directories"];
      assert.ok(make);
      await using bed = await make();
      await bed.volumes.create("lower", undefined);
      const lower = await bed.volumes.open("lower");
      const link = async (tree: Tree, name: string, letter: number) => {
        const path = join(tree.directory ?? assert.fail(), name);
        await rm(path, { force: true });
        await symlink(Buffer.from([0x63, letter]), path);
        await lutimes(path, 1_600_000_000, 1_600_000_000);
      };
      await link(lower, "l", 0xe9);
      await bed.volumes.create("upper", "lower");
      const upper = await bed.volumes.open("upper");
      const made = () => bytesOf(writeLayer(lower, upper));
      assert.deepEqual(await readlink(join(upper.directory ?? "", "l"), "buffer"), Buffer.from([0x63, 0xe9]));
      assert.deepEqual(await changesBetween(lower, upper), []);
      await made();
      await assert.rejects(upper.writeFile("l", Buffer.from("x")), NotImplementedError);
      await link(upper, "l", 0xe8);
      await assert.rejects(made(), NotImplementedError);
      await upper.remove("l");
      await made();
      await link(upper, "new", 0xe9);
      await assert.rejects(made(), NotImplementedError);
    });

    it("brings times before 1970 back to the microsecond", async () => {
      const make = treeBeds["in directories"];
      assert.ok(make);
      await using bed = await make();
      const [from, to] = await Promise.all(
        ["from", "to"].map(async (id) => {
          await bed.volumes.create(id, undefined);
          return bed.volumes.open(id);
        }),
      );
      assert.ok(from && to);
      const times = [-1_000n, -999_999_000n, -1_500_001_000n, -152_650_433_250_003_000n, -86_400_000_000_000n];
      const empty = new MemoryTree(contentsInMemory);
      for (const [at, ns] of times.entries())
        await applyLayer(from, writeTar([{ ...file(`f${at}`), ...instantOf(ns) }]));
      await applyLayer(to, writeLayer(empty, from));
      for (const tree of [from, to]) {
        for (const [at, ns] of times.entries()) {
          const node = await tree.stat(`f${at}`);
          assert.ok(node);
          assert.equal(nanosecondsOf(node), ns);
          assert.deepEqual(node.modifiedAt, instantOf(ns).modifiedAt);
        }
      }
      assert.deepEqual(await changesBetween(from, to), []);
    });
  });
}
