import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { DataLossError, InvalidArgumentError, NotImplementedError, ResourceExhaustedError } from "../../src/errors.js";
import { encodePax, parsePax } from "../../src/tar/pax.js";
import { readTar, type TarFile, type TarHeader, type TarStreamFile, writeTar } from "../../src/tar/tar.js";

const run = promisify(execFile);
const at = (seconds: number) => new Date(seconds * 1000);

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function membersOf(tar: Uint8Array, chunk = 4096): Promise<(TarHeader & { content: string })[]> {
  const found: (TarHeader & { content: string })[] = [];
  for await (const { body, ...header } of readTar(inChunks(tar, chunk))) {
    found.push({ ...header, content: (await bytesOf(body)).toString("hex") });
  }
  return found;
}

/** Everything a plain header cannot say, and some that it can. */
const odd: TarFile[] = [
  { name: "ping", xattrs: new Map([["security.capability", Buffer.from("0100000200ff00fe0a00000000000000", "hex")]]) },
  { name: "late", modifiedAt: new Date(1_700_000_000_003), body: Buffer.from("x") },
  { name: "early", modifiedAt: at(-2) },
  { name: "earlier", modifiedAt: at(-2.5) },
  { name: "big-id", uid: 3_000_000_000, gid: 2_097_152 },
  { name: "näme/ж", type: "directory" },
  { name: `${"d".repeat(120)}/${"f".repeat(90)}`, body: Buffer.from("y") },
  { name: `${"long/".repeat(60)}end`, type: "symlink", linkName: "../".repeat(50) },
  { name: "exactly-100".padEnd(100, "x"), type: "link", linkName: "ping" },
  { name: "dev/sda", type: "block-device", device: { major: 8, minor: 300 }, mode: 0o660 },
  { name: "dev/null", type: "character-device", device: { major: 1, minor: 3 } },
  { name: "pipe", type: "fifo", mode: 0o4755 },
];

describe("extended headers of a tar", () => {
  it("carry what plain ones cannot, byte by byte", async () => {
    const tar = await bytesOf(writeTar(odd));
    for (const chunk of [1, 511, 700, tar.length]) {
      const found = await membersOf(tar, chunk);
      const expected = odd.map(({ body, ...file }) => ({
        type: "file",
        size: body?.length ?? 0,
        mode: file.type === "directory" ? 0o755 : 0o644,
        uid: 0,
        gid: 0,
        modifiedAt: at(0),
        ...file,
        content: Buffer.from(body ?? "").toString("hex"),
      }));
      assert.deepEqual(
        found.map(({ xattrs, ...rest }) => ({ ...rest, ...(xattrs === undefined ? {} : { xattrs: hex(xattrs) }) })),
        expected.map((file) => ("xattrs" in file && file.xattrs ? { ...file, xattrs: hex(file.xattrs) } : file)),
      );
    }
  });

  it("are read by GNU tar as they are by us", async () => {
    const directory = await mkdtemp(join(tmpdir(), "tar-"));
    try {
      const path = join(directory, "odd.tar");
      await writeFile(path, await bytesOf(writeTar(odd)));
      const { stdout } = await run(
        "tar",
        [
          "--list",
          "--verbose",
          "--verbose",
          "--numeric-owner",
          "--full-time",
          "--xattrs",
          "--xattrs-include=*",
          "--utc",
          "--quoting-style=literal",
          "-f",
          path,
        ],
        { env: { ...process.env, LC_ALL: "C.UTF-8" } },
      );
      const lines = stdout.trim().split("\n");
      const one = (part: string) =>
        lines.find((line) => line.includes(part)) ?? assert.fail(`${part} not in ${stdout}`);
      assert.match(one("ping"), /^-rw-r--r--\* +0\/0 +0 1970-01-01/);
      assert.match(one("late"), /2023-11-14 22:13:20\.003/);
      assert.match(one("early"), /1969-12-31 23:59:58/);
      assert.match(one("big-id"), /3000000000\/2097152/);
      assert.match(one("näme"), /^drwx/);
      assert.ok(one("dddd").endsWith(`${"d".repeat(120)}/${"f".repeat(90)}`));
      assert.ok(one("long/long").endsWith(` -> ${"../".repeat(50)}`));
      assert.match(one("exactly-100"), /^h.* link to ping$/);
      assert.match(one("dev/sda"), /^brw-rw---- +0\/0 +8,300 /);
      assert.match(one("dev/null"), /^crw.* 1,3 /);
      assert.match(one("pipe"), /^prwsr-xr-x/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("are read as GNU tar writes them", async () => {
    const directory = await mkdtemp(join(tmpdir(), "tar-"));
    try {
      const long = "n".repeat(180);
      await writeFile(join(directory, long), "long");
      for (const format of ["posix", "gnu"]) {
        const path = join(directory, `${format}.tar`);
        const owner = ["--owner=:3000000000", "--group=:5", "--mtime=2023-11-14T22:13:20.25Z"];
        await run("tar", ["--create", `--format=${format}`, ...owner, "-C", directory, "-f", path, long]);

        const [member] = await membersOf(await readFile(path));
        assert.deepEqual([member?.name, member?.uid, member?.gid, member?.size], [long, 3_000_000_000, 5, 4]);
        assert.equal(member?.modifiedAt.getTime(), format === "posix" ? 1_700_000_000_250 : 1_700_000_000_000);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("are refused when they are broken, larger than anything needs, or tell of holes", async () => {
    const withPax = async (pax: Uint8Array) => {
      const name = "PaxHeader";
      const tar = await bytesOf(writeTar([{ name, body: pax }, { name: "after" }]));
      tar[156] = "x".charCodeAt(0);
      tar.write(checkSum(tar.subarray(0, 512)), 148, "latin1");
      return membersOf(tar);
    };
    const records = (name: string, value: string) => encodePax(new Map([[name, Buffer.from(value)]]));
    assert.equal((await withPax(records("comment", "fine")))[0]?.name, "after");
    for (const pax of ["99 path=x\n", "x path=x\n", "9 path=xy", "8 pathx\n", "9999999999999 path=x\n"]) {
      await assert.rejects(withPax(Buffer.from(pax)), DataLossError, pax);
    }
    await assert.rejects(withPax(records("mtime", "tomorrow")), DataLossError);
    await assert.rejects(withPax(records("uid", "0x10")), DataLossError);
    await assert.rejects(withPax(records("GNU.sparse.major", "1")), NotImplementedError);
    await assert.rejects(withPax(records("SCHILY.xattr.user.x", "x".repeat(2 ** 20))), ResourceExhaustedError);
    await assert.rejects(
      bytesOf(writeTar([{ name: "x", xattrs: new Map([["a=b", Buffer.from("c")]]) }])),
      InvalidArgumentError,
    );
  });

  it("have records of any name and value", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.stringMatching(/^[^=\0\n]+$/), fc.uint8Array({ maxLength: 2000 }))),
        (entries) => {
          const records = new Map(entries);
          const read = parsePax(encodePax(records));
          assert.deepEqual(hex(read), hex(records));
        },
      ),
    );
  });

  it("let files be streamed that are as long as was said, and no others", async () => {
    const chunks = (...texts: string[]) =>
      async function* body() {
        for (const text of texts) yield Buffer.from(text);
      };
    const file = (size: number, body: TarStreamFile["body"]): TarStreamFile => ({ name: "f", size, body });
    const [member] = await membersOf(await bytesOf(writeTar([file(5, chunks("ab", "", "cde"))])));
    assert.equal(member?.content, Buffer.from("abcde").toString("hex"));
    for (const size of [4, 6])
      await assert.rejects(bytesOf(writeTar([file(size, chunks("ab", "cde"))])), DataLossError);
  });
});

function hex(xattrs: ReadonlyMap<string, Uint8Array>): Map<string, string> {
  return new Map([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString("hex")]));
}

function checkSum(block: Uint8Array): string {
  const sum = block.reduce((total, byte, offset) => total + (offset >= 148 && offset < 156 ? 32 : byte), 0);
  return `${sum.toString(8).padStart(6, "0")}\0 `;
}
