import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { applyRootfsDiff, importCheckpointWithoutConfig, removeDeletedFiles } from "../../src/crutils/index.js";
import { isContainerdError } from "../../src/errors.js";
import { type RawMember, rawTar } from "../fuzz/raw-tar.js";
import { canaryRoom } from "./canary.js";

const ROUNDS = 40;

// Now a directory, now a link out of the root: as a container may do it while it is being restored.
const SWAP = `
const { renameSync, symlinkSync, unlinkSync } = require("node:fs");
const { parentPort, workerData: { rootfs, room, stop } } = require("node:worker_threads");
const done = (act) => { try { act(); return 1; } catch { return 0; } };
parentPort.postMessage("ready");
for (let at = 0; Atomics.load(stop, 0) === 0; at += 1) {
  const held = room + "/held/" + at;
  done(() => renameSync(rootfs + "/d", held));
  Atomics.add(stop, 1, done(() => symlinkSync("../outside", rootfs + "/d")));
  done(() => unlinkSync(rootfs + "/d"));
  done(() => renameSync(held, rootfs + "/d"));
}`;

const unpacked: readonly RawMember[] = [
  { name: "d/", type: "5" },
  ...Array.from({ length: 30 }, (_, at): RawMember => ({ name: `d/${at}`, body: Buffer.from("planted") })),
  { name: "d/passwd", body: Buffer.from("planted") },
  { name: "d/pipe", type: "6" },
  { name: "d/soft", type: "2", linkName: "x" },
  { name: "d/hard", type: "1", linkName: "d/0" },
  {
    name: "d/attributes",
    body: Buffer.from("x"),
    pax: [
      ["SCHILY.xattr.user.x", "y"],
      ["mtime", "5.000000001"],
    ],
  },
];

describe("a directory that becomes a link and a directory again", { skip: process.platform !== "linux" }, () => {
  const acts: Readonly<Record<string, (archive: string, rootfs: string) => Promise<unknown>>> = {
    "while a diff is applied": applyRootfsDiff,
    "while files are removed": removeDeletedFiles,
    "while a checkpoint is imported": (archive, rootfs) =>
      importCheckpointWithoutConfig(rootfs, join(archive, "checkpoint.tar")),
  };
  for (const [what, act] of Object.entries(acts)) {
    it(`leads nowhere out ${what}`, async () => {
      using room = canaryRoom();
      for (const path of [join(room.rootfs, "d"), join(room.room, "held")]) mkdirSync(path);
      writeFileSync(join(room.archive, "rootfs-diff.tar"), rawTar(unpacked));
      const files = unpacked.filter(({ type }) => type === undefined);
      writeFileSync(join(room.archive, "checkpoint.tar"), rawTar(files));
      writeFileSync(join(room.archive, "deleted.files"), JSON.stringify(["/d/kept", "/d/d", "/d/passwd", "/d/x"]));
      const canary = async () => Object.entries(await room.canary()).filter(([path]) => !/^held(\/|$)/.test(path));
      const before = await canary();
      const stop = new Int32Array(new SharedArrayBuffer(8));
      const swapping = new Worker(SWAP, { eval: true, workerData: { rootfs: room.rootfs, room: room.room, stop } });
      await new Promise((resolve) => swapping.once("message", resolve));
      const outcomes = { done: 0, refused: 0 };
      try {
        for (let round = 0; round < ROUNDS; round += 1) {
          try {
            await act(room.archive, room.rootfs);
            outcomes.done += 1;
          } catch (reason) {
            assert.ok(isContainerdError(reason), reason instanceof Error ? reason.stack : String(reason));
            outcomes.refused += 1;
          }
        }
      } finally {
        Atomics.store(stop, 0, 1);
        await new Promise((resolve) => swapping.once("exit", resolve));
      }
      assert.ok((stop[1] ?? 0) > ROUNDS, `${stop[1]} swaps`);
      assert.ok(outcomes.refused > 0, JSON.stringify(outcomes));
      assert.deepEqual(await canary(), before);
    });
  }
});
