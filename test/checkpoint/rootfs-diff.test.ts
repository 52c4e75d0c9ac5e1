import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rootfsDiffOfLayer } from "../../src/checkpoint/rootfs/from-layer.js";
import { layerOfRootfsDiff } from "../../src/checkpoint/rootfs/to-layer.js";
import { readTar, type TarFile, type TarStreamFile, writeTar } from "../../src/tar/tar.js";

const file = (name: string, text = "x"): TarFile => ({ name, body: Buffer.from(text) });
const directory = (name: string): TarFile => ({ name, type: "directory" });

async function listing(tar: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { name, type, linkName = "", body } of readTar(tar)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    lines.push(`${type} ${name} ${linkName}${Buffer.concat(chunks).toString()}`.trim());
  }
  return lines;
}

const kitchen: readonly (TarFile | TarStreamFile)[] = [
  { ...directory("data/"), uid: 3_000_000, modifiedAt: new Date(1), modifiedAtNs: 1_234_567n },
  { ...file("data/a"), xattrs: new Map([["user.x", Buffer.of(255, 0, 254)]]) },
  { name: "data/hard", type: "link", linkName: "data/a" },
  { name: "data/soft", type: "symlink", linkName: "/etc/passwd" },
  { name: "data/pipe", type: "fifo" },
];

describe("a root filesystem's diff", () => {
  it("becomes a layer, whiteouts at its end", async () => {
    const layer = layerOfRootfsDiff(writeTar([...kitchen, file("back/new"), file("was-directory")]), [
      "/data/gone",
      "/back",
      "/was-directory",
    ]);
    assert.deepEqual(await listing(layer), [
      "directory data/",
      "file data/a x",
      "link data/hard data/a",
      "symlink data/soft /etc/passwd",
      "fifo data/pipe",
      "file back/new x",
      "file was-directory x",
      "file data/.wh.gone",
      "file back/.wh..wh..opq",
    ]);
  });

  it("keeps all that a header says", async () => {
    const headers = async (tar: AsyncIterable<Uint8Array>) => {
      const found: unknown[] = [];
      for await (const entry of readTar(tar)) found.push({ ...entry, body: undefined });
      return found;
    };
    const expected = await headers(writeTar(kitchen));
    assert.deepEqual(await headers(layerOfRootfsDiff(writeTar(kitchen), [])), expected);
    assert.deepEqual(await headers(rootfsDiffOfLayer(writeTar(kitchen)).diff), expected);
    assert.equal((expected[0] as { modifiedAtNs: bigint }).modifiedAtNs, 1_234_567n);
  });

  it("is what a layer is without its whiteouts", async () => {
    const members = [
      directory("d/"),
      file("d/.wh..wh..opq"),
      file("d/new"),
      directory("d/sub/"),
      file(".wh.gone"),
      file(".wh..wh.plnk"),
    ];
    const plain = rootfsDiffOfLayer(writeTar(members));
    assert.deepEqual(await listing(plain.diff), ["directory d/", "file d/new x", "directory d/sub/"]);
    assert.equal(plain.count(), 3);
    assert.deepEqual(await plain.deletedFiles(), ["/d", "/gone"]);
    const names: Readonly<Record<string, ReadonlyMap<string, boolean>>> = {
      d: new Map([
        ["old", false],
        ["new", false],
        ["sub", true],
      ]),
      "d/sub": new Map([["below", true]]),
    };
    const known = rootfsDiffOfLayer(writeTar(members), { lower: async (path) => names[path] });
    await listing(known.diff);
    assert.deepEqual(await known.deletedFiles(), ["/d/old", "/d/sub/below", "/gone"]);
  });

  it("is refused where names lead elsewhere, or would mean something else", async () => {
    const refuses = (members: readonly TarFile[], deleted: readonly string[], message: RegExp) =>
      assert.rejects(async () => listing(layerOfRootfsDiff(writeTar(members), deleted)), message);
    await refuses([file("../x")], [], /Cannot use path "\.\.\/x" .* does not lead straight down/);
    await refuses([file("/x")], [], /does not lead straight down/);
    await refuses([], ["/../../etc/passwd"], /does not lead straight down/);
    await refuses([], ["/"], /does not lead straight down/);
    await refuses([file("a/.wh.b")], [], /its name means that something is not there/);
    await refuses([], ["/a/.wh.b"], /its name means that something is not there/);
    await assert.rejects(
      listing(rootfsDiffOfLayer(writeTar([file("a/.wh...")])).diff),
      /hides nothing that can be there/,
    );
    const opaque = rootfsDiffOfLayer(writeTar([file(".wh..wh..opq")]));
    await listing(opaque.diff);
    await assert.rejects(opaque.deletedFiles(), /hides the whole root/);
  });
});
