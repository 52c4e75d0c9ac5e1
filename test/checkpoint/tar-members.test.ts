import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { criuSettingsNeeded } from "../../src/checkpoint/criu-config.js";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import { listTarMembers } from "../../src/checkpoint/tar-members.js";
import { DataLossError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { providerOf } from "./provider.js";

const run = promisify(execFile);
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "tar-members-"));
});
after(() => rm(directory, { recursive: true }));

async function tarOf(files: Readonly<Record<string, string | number>>, ...flags: string[]): Promise<Uint8Array> {
  const root = await mkdtemp(join(directory, "t-"));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(root, name), typeof content === "string" ? content : "");
    if (typeof content === "number") await truncate(join(root, name), content);
  }
  await run("tar", [...flags, "-cf", `${root}.tar`, "-C", root, "."]);
  return readFile(`${root}.tar`);
}

async function members(bytes: Uint8Array, lies?: Uint8Array) {
  const descriptor = { digest: digestOf(bytes), size: bytes.length };
  const provider = providerOf(bytes, lies && new Map([[descriptor.digest, lies]]));
  const found = [];
  for await (const member of listTarMembers(provider, descriptor)) found.push(member);
  return { found, provider };
}

for (const format of ["ustar", "pax", "gnu"]) {
  describe(`listTarMembers of a ${format} tar`, () => {
    it("names every member with its size, and where its content lies", async () => {
      const long = "n".repeat(format === "ustar" ? 90 : 180);
      const bytes = await tarOf({ "a.img": "hello", "pages-1.img": 300_000, [long]: "x" }, `--format=${format}`);
      const { found } = await members(bytes);
      const sizes = Object.fromEntries(found.filter(({ name }) => name !== "").map(({ name, size }) => [name, size]));
      // GNU's own long names are a member of their own; criu's are never that long.
      if (format !== "gnu") assert.deepEqual(sizes, { "a.img": 5, "pages-1.img": 300_000, [long]: 1 });
      const hello = found.find(({ name }) => name === "a.img");
      assert.ok(hello);
      assert.equal(Buffer.from(bytes.subarray(hello.offset, hello.offset + hello.size)).toString(), "hello");
    });
  });
}

describe("listTarMembers", () => {
  it("takes a file whose holes were left out for no plain file", async () => {
    for (const flags of [["--format=pax"], ["--format=gnu"]]) {
      const { found } = await members(await tarOf({ "pages-1.img": 32 * 1024 * 1024 }, "--sparse", ...flags));
      const sparse = found.filter(({ name }) => name.includes("pages-1.img"));
      assert.deepEqual(
        sparse.map(({ isFile }) => isFile),
        [false],
      );
    }
  });

  it("steps over large contents instead of reading them", async () => {
    const bytes = await tarOf({ "pages-1.img": 32 * 1024 * 1024, "pstree.img": "x" });
    const { provider } = await members(bytes);
    assert.ok(provider.reads <= 4, `${provider.reads} reads`);
  });

  it("takes an empty tar", async () => {
    assert.deepEqual((await members(new Uint8Array(1024))).found, []);
  });

  it("refuses what is not a tar, is cut, or has a broken header", async () => {
    await assert.rejects(members(Buffer.alloc(2048, "x")), DataLossError);
    const bytes = await tarOf({ "a.img": "hello" });
    const flipped = Uint8Array.from(bytes);
    flipped[3] = (flipped[3] ?? 0) ^ 0xff;
    await assert.rejects(members(bytes, flipped), DataLossError);
    await assert.rejects(members(bytes, bytes.subarray(0, 700)), DataLossError);
  });
});

describe("criuSettingsNeeded", () => {
  const needed = async (files: Record<string, string>, asked: Parameters<typeof criuSettingsNeeded>[2]) => {
    const bytes = await tarOf(files);
    const task = { mediaType: CheckpointMediaType.task, digest: digestOf(bytes), size: bytes.length };
    return (await criuSettingsNeeded(providerOf(bytes), task, asked)).map(({ line }) => line).sort();
  };

  it("believes the dump, not what was asked: everybody asks for file locks", async () => {
    assert.deepEqual(await needed({ "inventory.img": "x" }, { fileLocks: true, openTcp: true }), []);
    assert.deepEqual(await needed({ "filelocks.img": "x" }, { fileLocks: true }), ["file-locks"]);
    assert.deepEqual(await needed({ "tcp-stream-a1.img": "x" }, { openTcp: true }), ["tcp-established"]);
  });

  it("believes what was asked where the dump cannot tell", async () => {
    assert.deepEqual(await needed({ "files.img": "x" }, { externalUnixSockets: true }), ["ext-unix-sk"]);
  });

  it("looks into the dump when nobody wrote down what was asked", async () => {
    assert.deepEqual(await needed({ "filelocks.img": "x", "tcp-stream-1.img": "x" }, undefined), [
      "file-locks",
      "tcp-established",
    ]);
  });
});
