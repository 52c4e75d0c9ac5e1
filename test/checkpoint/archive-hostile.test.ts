import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { createGzip, gzipSync } from "node:zlib";
import {
  type ArchiveLimits,
  type ArchiveSource,
  importArchive,
  inspectArchive,
  readArchive,
  readArchiveEntries,
} from "../../src/checkpoint/index.js";
import { MemoryStore } from "../../src/content/index.js";
import { type ErrorCode, isContainerdError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { readTar, writeTar } from "../../src/tar/tar.js";
import { archiveBytes } from "../fixtures/checkpoint-archives.js";
import { GNU, type RawMember, rawTar } from "../fuzz/raw-tar.js";

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const link = (name: string, linkName: string, type = "2"): RawMember => ({ name, type, linkName });
const file = (name: string, body: string | Uint8Array = "x"): RawMember => ({ name, body: Buffer.from(body) });

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function partsOf(source: ArchiveSource, limits: ArchiveLimits = {}): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of readArchive(source, limits)) names.push(name);
  return names;
}

async function refused(
  source: ArchiveSource,
  code: ErrorCode,
  message: RegExp,
  limits: ArchiveLimits = {},
): Promise<void> {
  const check = (reason: unknown) => {
    assert.ok(isContainerdError(reason), String(reason));
    assert.match(reason.message, message);
    assert.equal(reason.code, code, reason.message);
    return true;
  };
  await assert.rejects(partsOf(source, limits), check);
}

const members = (...list: RawMember[]) => once(rawTar(list));

/** What was found wrong in others: the archive that did it, and with which words we refuse it. */
const attacks: readonly (readonly [string, readonly RawMember[], ErrorCode, RegExp])[] = [
  [
    "CVE-2026-53489: a log that is a link to a file of the host",
    [link("container.log", "/etc/shadow")],
    "invalid_argument",
    /"container.log".* symlink/,
  ],
  [
    "CVE-2024-5154: a link in the way of a file",
    [link("checkpoint", "/etc"), file("checkpoint/passwd")],
    "invalid_argument",
    /"checkpoint".* symlink/,
  ],
  [
    "podman#27977: deletions above the root",
    [file("deleted.files", '["/../../../etc/passwd"]')],
    "invalid_argument",
    /"deleted.files".*"\/\.\.\/\.\.\/\.\.\/etc\/passwd" is no path below/,
  ],
  ["podman#27977: deletion of the root", [file("deleted.files", '["/"]')], "invalid_argument", /"deleted.files"/],
  ["podman#27977: relative deletions", [file("deleted.files", '["../../etc"]')], "invalid_argument", /"deleted.files"/],
  [
    "moby 4f84bcb967: a checkpoint whose name leads elsewhere",
    [file("checkpoints/../../etc/inventory.img")],
    "invalid_argument",
    /straight down/,
  ],
  [
    "containerd#13947: an image that leads elsewhere",
    [file("checkpoint/../../../tmp/x.img")],
    "invalid_argument",
    /straight down/,
  ],
  ["containerd#13947: an absolute name", [file("/tmp/x.img")], "invalid_argument", /straight down/],
  [
    "CVE-2023-0778: a volume that is a link",
    [link("volumes/data.tar", "/etc/passwd")],
    "invalid_argument",
    /"volumes\/data.tar"/,
  ],
  [
    "CVE-2023-0778: a volume whose name leads elsewhere",
    [file("volumes/../../x.tar")],
    "invalid_argument",
    /straight down/,
  ],
  [
    "CVE-2026-23745: an absolute target of a hard link",
    [link("spec.dump", "/etc/passwd", "1")],
    "invalid_argument",
    /"spec.dump".* link/,
  ],
  [
    "CVE-2026-23950: two spellings of one name",
    [file("caf\u00e9"), file("cafe\u0301")],
    "invalid_argument",
    /comes twice/,
  ],
  [
    "CVE-2026-24842: a hard link above",
    [link("config.dump", "../../outside", "1")],
    "invalid_argument",
    /"config.dump"/,
  ],
  [
    "CVE-2026-26960: a hard link through a chain of links",
    [link("a", "b"), link("b", ".."), link("c", "a/x", "1")],
    "invalid_argument",
    /"a".* symlink/,
  ],
  [
    "CVE-2021-32803: a directory that becomes a link",
    [{ name: "d/", type: "5" }, link("d", "/tmp"), file("d/x")],
    "invalid_argument",
    /"d"/,
  ],
  ["CVE-2021-32804: many slashes", [file("////etc/passwd")], "invalid_argument", /straight down/],
  ["CVE-2021-37701: a directory with a backslash", [file("d\\..\\..\\x")], "invalid_argument", /character/],
  ["CVE-2021-37713: a name of another system's", [file("C:\\..\\x")], "invalid_argument", /character/],
  ["CVE-2024-12905: a link that leads out", [link("checkpoint/x", "../../../etc")], "invalid_argument", /symlink/],
  [
    "CVE-2025-48387: a hard link to a link",
    [link("s", "/etc/passwd"), link("h", "s", "1")],
    "invalid_argument",
    /symlink/,
  ],
  [
    "CVE-2025-59343: a link to a name that begins like the root",
    [link("x", "../root-other")],
    "invalid_argument",
    /symlink/,
  ],
  [
    "CVE-2025-62518: members hidden in one whose headers disagree",
    [{ name: "a", size: 0, body: rawTar([file("config.dump")], 0), pax: [["size", "1024"]] }],
    "data_loss",
    /"a" has 0 bytes by one header and 1024 by the other/,
  ],
  [
    "CVE-2025-62518: the other way round",
    [{ name: "a", body: rawTar([file("config.dump")], 0), pax: [["size", "0"]] }],
    "data_loss",
    /by the other/,
  ],
  [
    "CVE-2026-42496: the same, with a size for all members",
    [{ name: "a", globalPax: [["size", "0"]], body: Buffer.alloc(512) }],
    "data_loss",
    /for all members/,
  ],
  [
    "CVE-2023-36665: a prototype in a document",
    [file("config.dump", '{"__proto__":{"polluted":1}}'), file("spec.dump", "[")],
    "invalid_argument",
    /"spec.dump"/,
  ],
  [
    "CVE-2026-47262: a document as large as the memory",
    [{ name: "config.dump", size: 2 ** 31, body: Buffer.alloc(512) }],
    "resource_exhausted",
    /"config.dump".* 2147483648 bytes/,
  ],
];

describe("archives that did harm elsewhere are refused:", () => {
  for (const [what, list, code, message] of attacks) {
    it(what, async () => {
      await refused(members(...list), code, message);
      await refused(once(gzipSync(rawTar(list))), code, message);
    });
  }

  it("GHSA-5j5w-g665-5m35: a document that is a manifest and an index at once", async () => {
    const both = json({ schemaVersion: 2, manifests: [], layers: [], config: {} });
    const descriptor = {
      mediaType: "application/vnd.oci.image.index.v1+json",
      digest: digestOf(both),
      size: both.length,
    };
    const list = [
      file("oci-layout", '{"imageLayoutVersion":"1.0.0"}'),
      file("index.json", json({ schemaVersion: 2, manifests: [descriptor] })),
      file(`blobs/sha256/${digestOf(both).slice(7)}`, both),
    ];
    await refused(members(...list), "invalid_argument", /ambiguous/);
  });

  it("CVE-2023-36665: and no prototype is changed by what is taken", async () => {
    const config = '{"__proto__":{"polluted":1},"id":"a","Config":{"__proto__":{"polluted":1}}}';
    const { containerId } = await inspectArchive(
      members(
        file("config.dump", config),
        file("spec.dump", '{"annotations":{"__proto__":"x"}}'),
        file("network.status", '{"__proto__":{"interfaces":{"__proto__":{}}}}'),
      ),
    );
    assert.equal(containerId, "a");
    assert.ok(!("polluted" in {}));
  });
});

describe("archives nobody vouches for", () => {
  it("hold files and directories only", async () => {
    for (const type of ["1", "2", "3", "4", "6"]) {
      await refused(
        members({ name: "config.dump", type, linkName: "elsewhere" }),
        "invalid_argument",
        /"config.dump".*expected a file or a directory/,
      );
    }
    for (const type of ["7", "S", "D", "V", "M", "N"])
      await refused(members({ name: "x", type }), "data_loss", /of kind/);
  });

  it("may have the link to the dump before this one, which is not followed", async () => {
    assert.deepEqual(await partsOf(members(link("checkpoint/parent", "../pre-checkpoint"))), ["checkpoint/parent"]);
    assert.deepEqual(await partsOf(members(link("checkpoint/parent", "/etc"))), ["checkpoint/parent"]);
    await refused(members(link("a/b/parent", "/etc")), "invalid_argument", /symlink/);
    await refused(members(link("checkpoint/parent", "/etc", "1")), "invalid_argument", /link/);
    await refused(
      members(link("checkpoint/parent", "/etc"), file("checkpoint/parent/x.img")),
      "invalid_argument",
      /no directory/,
    );
  });

  it("have each member once, and none where another needs a directory", async () => {
    await refused(members(file("config.dump", "{}"), file("./config.dump", "{}")), "invalid_argument", /comes twice/);
    await refused(members(file("a"), file("a/b")), "invalid_argument", /"a" is no directory/);
    await refused(members(file("a/b"), file("a")), "invalid_argument", /comes twice/);
    await refused(members(file("checkpoint/core-1.img"), file("core-1.img")), "invalid_argument", /has it already/);
  });

  it("are the same for every reader", async () => {
    const whole = rawTar([file("config.dump", "{}")]);
    await refused(once(whole.subarray(0, -512)), "data_loss", /cut off/);
    await refused(once(rawTar([file("a")], 0)), "data_loss", /cut off/);
    await refused(once(Buffer.concat([whole, rawTar([file("b")])])), "data_loss", /behind its end/);
    await refused(members({ name: "a", magic: "\0\0\0\0\0\0\0\0" }), "data_loss", /formats/);
    await refused(members({ name: "a", checksumOff: 1 }), "data_loss", /damaged/);
    await refused(members({ name: "d/", body: Buffer.from("x") }), "data_loss", /name of a directory/);
    await refused(members({ name: "d", type: "5", body: Buffer.from("x") }), "data_loss", /no file, but has 1 bytes/);
    await refused(members({ name: "l", type: "1" }), "data_loss", /leads nowhere/);
    await refused(
      members({
        name: "a",
        pax: [
          ["path", "b"],
          ["path", "c"],
        ],
      }),
      "data_loss",
      /twice/,
    );
    await refused(members({ name: "a", pax: [["path", "b"]], longName: "c" }), "data_loss", /several/);
    await refused(members({ name: "a", pax: [["GNU.sparse.major", "1"]] }), "data_loss", /GNU.sparse/);
    await refused(once(Buffer.concat([gzipSync(whole), Buffer.from("more")])), "data_loss", /gzip/);
    await refused(once(Buffer.concat([gzipSync(whole), Buffer.from("\0more")])), "data_loss", /behind it/);
    assert.deepEqual(
      await partsOf(once(Buffer.concat([gzipSync(whole.subarray(0, 512)), gzipSync(whole.subarray(512))]))),
      ["config.dump"],
    );
    assert.deepEqual(await partsOf(members({ name: "a", pax: [["path", "b"]], magic: GNU })), ["b"]);
    assert.deepEqual(await partsOf(members({ name: "a", longName: "c".repeat(150), magic: GNU })), ["c".repeat(150)]);
  });

  it("are read no further than the limits", async () => {
    const many = rawTar(Array.from({ length: 30 }, (_, at) => file(`f${at}`)));
    await refused(once(many), "resource_exhausted", /20 members/, { maxEntries: 20 });
    await refused(once(many), "resource_exhausted", /4096 bytes/, { maxBytes: 4096 });
    await refused(members({ name: "x", longName: "n".repeat(5000) }), "resource_exhausted", /5000 bytes/);
    await refused(members(file(`${"d/".repeat(40)}f`)), "resource_exhausted", /41 levels/);
    await refused(members(file("spec.dump", `${"[".repeat(5000)}`)), "invalid_argument", /"spec.dump".*nested/);
    await refused(members(file("spec.dump", `{"a":"${"x".repeat(100)}"}`)), "resource_exhausted", /"spec.dump"/, {
      maxDocumentBytes: 100,
    });
    await refused(once(many), "resource_exhausted", /"f20".*names of more than 52 bytes together/, {
      maxNamesBytes: 52,
    });
    const named = Array.from({ length: 4400 }, (_, at) => file(`n${at}`)).map((one) => {
      return { ...one, pax: [["path", `${"x".repeat(200)}/`.repeat(19) + one.name]] as const, body: Buffer.alloc(0) };
    });
    await refused(members(...named), "resource_exhausted", /names of more than 16777216 bytes together/);
    const values = `{"a":[${"{},".repeat(80_000)}0]}`;
    await refused(
      members(file("config.dump", values), file("spec.dump", values), file("status", "{}")),
      "resource_exhausted",
      /"spec.dump".*more than 250000 values/,
    );
    assert.equal((await partsOf(once(many))).length, 30);
  });

  it("are refused when they unpack to far more than they are", async () => {
    async function* bomb(): AsyncGenerator<Uint8Array> {
      const gzip = createGzip({ level: 9 });
      const head = rawTar([{ name: "rootfs-diff.tar", size: 4 * 2 ** 30 }], 0);
      const writing = (async () => {
        gzip.write(head);
        for (let written = 0; written < 128 && !gzip.destroyed; written += 1) {
          if (!gzip.write(Buffer.alloc(2 ** 20))) await new Promise((resolve) => gzip.once("drain", resolve));
        }
        gzip.end();
      })();
      try {
        for await (const chunk of gzip) yield chunk as Uint8Array;
      } finally {
        gzip.destroy();
        void writing;
      }
    }
    await refused(bomb(), "resource_exhausted", /unpack to more than 200 times/);
  });

  it("are not taken with names that are not UTF-8, and it is told which", async () => {
    const latin1 = (tar: Buffer) => {
      // An é of two bytes becomes one of one.
      const at = tar.indexOf("caf\u00e9");
      const name = Buffer.concat([
        tar.subarray(at, at + 3),
        Buffer.of(0xe9),
        tar.subarray(at + 5, at + 100),
        Buffer.of(0),
      ]);
      name.copy(tar, at);
      const header = tar.subarray(at, at + 512);
      header.fill(" ", 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      return tar;
    };
    const inner = latin1(rawTar([file("data"), file("caf\u00e9")]));
    await refused(once(inner), "not_implemented", /"caf\\xe9", is not UTF-8, .* behind "data"/);
    async function* archive() {
      for await (const { name, body, type } of readTar(once(archiveBytes("podman-crun-none-nochanges.tar")))) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) chunks.push(chunk);
        if (type === "file") yield { name, body: Buffer.concat(chunks) };
      }
      yield { name: "rootfs-diff.tar", body: inner };
    }
    await assert.rejects(importArchive(writeTar(archive()), new MemoryStore()), {
      name: "NotImplementedError",
      message: /"caf\\xe9", is not UTF-8/,
    });
  });

  it("are given up when their source hangs", async () => {
    const archive = rawTar([file("a"), file("../x", "y".repeat(2000))]);
    for (const bytes of [archive.subarray(0, 2000), gzipSync(archive).subarray(0, -8)]) {
      const hanging = new Readable({ read() {} });
      hanging.push(bytes);
      const closed = new Promise((resolve) => hanging.once("close", resolve));
      await refused(hanging, "invalid_argument", /straight down/);
      await closed;
    }
    const harmless = new Readable({ read() {} });
    harmless.push(archive.subarray(0, 1000));
    const caller = new AbortController();
    const closed = new Promise((resolve) => harmless.once("close", resolve));
    await assert.rejects(
      async () => {
        for await (const { body } of readArchive(() => harmless, { signal: caller.signal })) {
          setImmediate(() => caller.abort(new Error("no longer")));
          for await (const chunk of body) assert.ok(chunk);
        }
      },
      { message: "no longer" },
    );
    await closed;
    await assert.rejects(
      inspectArchive(new Readable({ read() {} }), { signal: AbortSignal.abort(new Error("never")) }),
      {
        message: "never",
      },
    );
  });

  it("have files in directories checked, too", async () => {
    async function* files() {
      yield {
        name: "../x.img",
        type: "file",
        size: 0,
        mode: 0o600,
        modifiedAt: new Date(0),
        body: once(Buffer.alloc(0)),
      };
    }
    await assert.rejects(async () => {
      for await (const part of readArchiveEntries(files())) assert.fail(part.name);
    }, /straight down/);
  });

  it("are no checkpoint when there is no part of one", async () => {
    await assert.rejects(inspectArchive(members(file("README"))), /no part of a checkpoint/);
    await assert.rejects(inspectArchive(once(Buffer.alloc(1024))), /it is empty/);
    await assert.rejects(inspectArchive(once(Buffer.alloc(0))), /cut off/);
    await assert.rejects(inspectArchive(once(Buffer.from("no tar at all".repeat(100)))), /no tar|number/);
  });
});
