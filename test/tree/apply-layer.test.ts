import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type TarFile, writeTar } from "../../src/tar/tar.js";
import { applyLayer } from "../../src/tree/apply-layer.js";
import type { Tree } from "../../src/tree/tree.js";
import { treeBeds } from "../embedded/trees.js";

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
