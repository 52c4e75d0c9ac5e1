import assert from "node:assert/strict";
import { readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import {
  type ApplyRootfsDiffOptions,
  applyRootfsDiff,
  importCheckpointConfigOnly,
  importCheckpointWithoutConfig,
  removeDeletedFiles,
} from "../../src/crutils/index.js";
import { type ErrorCode, isContainerdError } from "../../src/errors.js";
import { type RawMember, rawTar } from "../fuzz/raw-tar.js";
import { canaryRoom } from "./canary.js";
import { describeDirectory } from "./description.js";

const file = (name: string, text = "planted"): RawMember => ({ name, body: Buffer.from(text) });
const directory = (name: string): RawMember => ({ name, type: "5" });
const symlink = (name: string, linkName: string): RawMember => ({ name, type: "2", linkName });
const hardLink = (name: string, linkName: string): RawMember => ({ name, type: "1", linkName });

interface Hostile {
  readonly members: readonly RawMember[];
  readonly code?: ErrorCode;
  /** What the message names. */
  readonly names: RegExp;
  readonly options?: ApplyRootfsDiffOptions;
}

/** What archives have done to others, and what is said to them here. The numbers are those of the advisories. */
const diffs: Readonly<Record<string, Hostile>> = {
  "CVE-2021-32804, an absolute path": { members: [file("/etc/passwd")], names: /"\/etc\/passwd"/ },
  "CVE-2024-12905, a path that leads up": { members: [file("../outside/passwd")], names: /"\.\.\/outside\/passwd"/ },
  "CVE-2021-37713, up in the middle": { members: [file("real/../../beside")], names: /"real\/\.\.\/\.\.\/beside"/ },
  "CVE-2021-32803, a file through a link that was there": {
    members: [file("out/passwd")],
    code: "failed_precondition",
    names: /"out\/passwd": "out" is a symlink/,
  },
  "CVE-2024-5154, a file through a link that leads nowhere out": {
    members: [file("inside/x")],
    code: "failed_precondition",
    names: /"inside\/x": "inside" is a symlink/,
  },
  "CVE-2025-48387, a file through a link the archive made": {
    members: [symlink("new", "../outside"), file("new/passwd")],
    code: "failed_precondition",
    names: /"new\/passwd": "new" is a member/,
  },
  "CVE-2021-37701, a directory replaced by a link under its files": {
    members: [directory("d/"), symlink("d", "../outside"), file("d/passwd")],
    names: /"d": (it comes twice|other members need)/,
  },
  "CVE-2026-23950, a link and its files in two spellings": {
    members: [symlink("ca\u0301", "../outside"), file("ca\u0301/passwd")],
    code: "failed_precondition",
    names: /is a member, not a directory/,
  },
  "CVE-2026-23745, a hard link of an absolute path": {
    members: [hardLink("x", "/etc/shadow")],
    names: /"\/etc\/shadow"/,
  },
  "CVE-2026-24842, a hard link that leads up": {
    members: [directory("d/"), hardLink("d/x", "../outside/passwd"), file("d/x")],
    names: /"\.\.\/outside\/passwd"/,
  },
  "CVE-2026-26960, a hard link through a chain of links": {
    members: [symlink("a", "out"), symlink("b", "a"), hardLink("x", "b/passwd")],
    code: "failed_precondition",
    names: /"b" is a member, not a directory/,
  },
  "CVE-2025-59343, a hard link through a link that was there": {
    members: [hardLink("x", "out/passwd"), file("x")],
    code: "failed_precondition",
    names: /"out" is a symlink/,
  },
  "CVE-2026-53489, a log that is a link": {
    members: [file("ok"), hardLink("log", "file-out/x")],
    code: "failed_precondition",
    names: /"file-out" is a symlink/,
  },
  "CVE-2025-62518, two sizes of one member": {
    members: [{ ...file("a", "x".repeat(1024)), pax: [["size", "0"]] }, file("b")],
    code: "data_loss",
    names: /"a" has 1024 bytes by one header and 0 by the other/,
  },
  "CVE-2021-32760, a directory where a link is": {
    members: [file("out/d/kept")],
    code: "failed_precondition",
    names: /"out" is a symlink/,
  },
  "CVE-2026-42496, a link named by an extended header": {
    members: [{ ...symlink("x", "y"), pax: [["path", "../beside"]] }],
    names: /"\.\.\/beside"/,
  },
  "a device": { members: [{ name: "sda", type: "4" }], names: /"sda": it is a block-device/ },
  "the root as a link": { members: [symlink(".", "../outside")], names: /"\."/ },
  "the root as a file": { members: [file("./")], code: "data_loss", names: /"\.\/"/ },
  "an owner nobody is": {
    members: [{ ...file("x"), pax: [["uid", "4294967295"]] }],
    names: /"x": nobody has the number 4294967295/,
  },
  "a group nobody is": { members: [{ ...file("x"), pax: [["gid", "-1"]] }], names: /"x": nobody has the number -1/ },
  "a link of a directory": { members: [hardLink("x", "real")], names: /"x": it is a hard link of a directory/ },
  "a link of nothing": { members: [hardLink("x", "nothing")], names: /"nothing", what it is a link of, is not there/ },
  "a link to nothing": { members: [symlink("x", "")], names: /"x": it points to nothing/ },
  "a name twice": { members: [file("x"), file("x")], names: /"x": it comes twice/ },
  "a file and something below it": { members: [file("x"), file("x/y")], code: "failed_precondition", names: /"x\/y"/ },
  "something below a file, and the file": {
    members: [file("x/y"), file("x")],
    names: /"x": other members need a directory/,
  },
  "too many members": {
    members: [file("a"), file("b"), file("c")],
    code: "resource_exhausted",
    names: /more than 2 members/,
    options: { maxEntries: 2 },
  },
  "too many bytes": {
    members: [file("a", "x".repeat(100_000))],
    code: "resource_exhausted",
    names: /more than 50000 bytes/,
    options: { maxBytes: 50_000 },
  },
  "a name no file system has": {
    members: [{ ...file("x"), pax: [["path", "n".repeat(300)]] }],
    code: "resource_exhausted",
    names: /it is too long/,
  },
  "something hidden above": { members: [file("real/.wh...")], names: /hides nothing/, options: { whiteouts: true } },
};

describe("an archive that means harm", () => {
  for (const [what, { members, code = "invalid_argument", names, options }] of Object.entries(diffs)) {
    it(`is refused before anything is changed: ${what}`, async () => {
      using room = canaryRoom();
      // What is sound comes first, and is not applied either.
      writeFileSync(join(room.archive, "rootfs-diff.tar"), rawTar([file("sound"), ...members]));
      const before = [await room.canary(), await describeDirectory(room.rootfs)];
      await assert.rejects(applyRootfsDiff(room.archive, room.rootfs, options), (reason) => {
        assert.ok(isContainerdError(reason), String(reason));
        assert.match(reason.message, names);
        assert.equal(reason.code, code, reason.message);
        return true;
      });
      assert.deepEqual([await room.canary(), await describeDirectory(room.rootfs)], before);
    });
  }

  it("does nothing through links it replaces", async () => {
    using room = canaryRoom();
    const members = [
      file("file-out", "mine"),
      directory("out/"),
      file("out/passwd", "mine"),
      symlink("absolute", "/etc"),
    ];
    writeFileSync(join(room.archive, "rootfs-diff.tar"), rawTar(members));
    const before = await room.canary();
    await applyRootfsDiff(room.archive, room.rootfs);
    assert.deepEqual(await room.canary(), before);
    const after = await describeDirectory(room.rootfs);
    assert.match(after["file-out"] ?? "", /^1006/);
    assert.match(after["out/passwd"] ?? "", /^1006/);
    assert.match(after["absolute"] ?? "", /-> \/etc$/);
  });

  for (const paths of [
    ["/real", "/../../outside/passwd"],
    ["/out/passwd"],
    ["/real/../../outside"],
    ["/absolute/d"],
    ["/inside/x"],
    ["/"],
    ["../outside"],
    ["/etc/passwd", 1],
    { "0": "/etc" },
    "/etc/passwd",
  ]) {
    it(`deletes nothing by ${JSON.stringify(paths)}`, async () => {
      using room = canaryRoom();
      writeFileSync(join(room.archive, "deleted.files"), JSON.stringify(paths));
      const before = [await room.canary(), await describeDirectory(room.rootfs)];
      await assert.rejects(removeDeletedFiles(room.archive, room.rootfs), (reason) => {
        assert.ok(isContainerdError(reason), String(reason));
        assert.match(reason.code, /^(invalid_argument|failed_precondition)$/);
        return true;
      });
      assert.deepEqual([await room.canary(), await describeDirectory(room.rootfs)], before);
    });
  }

  it("deletes links, and not what they lead to", async () => {
    using room = canaryRoom();
    writeFileSync(
      join(room.archive, "deleted.files"),
      JSON.stringify(["/out", "/file-out", "/nothing/there", "/etc/passwd/x"]),
    );
    const before = await room.canary();
    assert.deepEqual(await removeDeletedFiles(room.archive, room.rootfs), ["/out", "/file-out"]);
    assert.deepEqual(await room.canary(), before);
  });

  for (const [what, members] of Object.entries<readonly RawMember[]>({
    up: [file("checkpoint/../../outside/passwd")],
    "to an absolute path": [file("/etc/passwd")],
    "by a link": [symlink("container.log", "../outside/passwd")],
    "by a hard link": [hardLink("dump.log", "../outside/passwd")],
    "by a dump's parent": [file("checkpoint/inventory.img"), symlink("checkpoint/parent", "../../outside")],
    "by a dump's absolute parent": [file("checkpoint/inventory.img"), symlink("checkpoint/parent", "/etc")],
    "by a dump's parent that leads through others": [
      file("checkpoint/inventory.img"),
      symlink("b/parent", "."),
      symlink("checkpoint/parent", "../b/parent/parent/parent/../../../outside"),
    ],
    "by a dump's parent that leads through another": [
      file("checkpoint/inventory.img"),
      symlink("checkpoint/parent", "../parent"),
    ],
    "by a dump's parent that is where it is": [file("checkpoint/inventory.img"), symlink("checkpoint/parent", ".")],
    "by a dump's parent that goes up": [file("checkpoint/inventory.img"), symlink("checkpoint/parent", "../..")],
    "by a dump's parent that goes up and down": [
      file("checkpoint/inventory.img"),
      symlink("checkpoint/parent", "../../rootfs/etc"),
    ],
    "by the parent of a dump that lies flat": [file("checkpoint/inventory.img"), symlink("parent", "../outside")],
  })) {
    it(`is imported nowhere else: ${what}`, async () => {
      using room = canaryRoom();
      const path = join(room.room, "beside.tar.gz");
      writeFileSync(path, gzipSync(rawTar(members)));
      const before = await room.canary();
      const isTyped = (reason: unknown) => isContainerdError(reason, "invalid_argument");
      await assert.rejects(importCheckpointWithoutConfig(room.rootfs, path), isTyped);
      if (!members[0]?.name.startsWith("checkpoint/i"))
        await assert.rejects(importCheckpointConfigOnly(room.rootfs, path), isTyped);
      assert.deepEqual(await room.canary(), before);
    });
  }

  it("has links to dumps beside theirs, and to no link that was there", async () => {
    using room = canaryRoom();
    const path = join(room.room, "a.tar");
    writeFileSync(
      path,
      rawTar([
        symlink("checkpoint/parent", "../pre-checkpoint"),
        file("pre-checkpoint/inventory.img"),
        symlink("pre-checkpoint/parent", "../first"),
      ]),
    );
    await importCheckpointWithoutConfig(room.rootfs, path);
    const links = ["checkpoint/parent", "pre-checkpoint/parent"].map((name) => readlinkSync(join(room.rootfs, name)));
    assert.deepEqual(links, ["../pre-checkpoint", "../first"]);
    writeFileSync(path, rawTar([symlink("other/parent", "../out")]));
    await assert.rejects(
      importCheckpointWithoutConfig(room.rootfs, path),
      /"other\/parent": "out" is there, a symlink/,
    );
  });

  it("is not imported over links that are there", async () => {
    using room = canaryRoom();
    const path = join(room.room, "a.tar");
    writeFileSync(path, rawTar([file("out/dump.log")]));
    const before = await room.canary();
    await assert.rejects(importCheckpointWithoutConfig(room.rootfs, path), /"out" is there, a symlink/);
    writeFileSync(path, rawTar([file("file-out")]));
    await assert.rejects(importCheckpointWithoutConfig(room.rootfs, path), /"file-out" is there, a symlink/);
    assert.deepEqual({ ...(await room.canary()), "a.tar": "" }, { ...before, "a.tar": "" });
  });
});
