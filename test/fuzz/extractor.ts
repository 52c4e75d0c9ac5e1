import { lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  applyRootfsDiff,
  importCheckpointConfigOnly,
  importCheckpointWithoutConfig,
  removeDeletedFiles,
} from "../../src/crutils/index.js";
import { canaryRoom } from "../crutils/canary.js";
import { Dice } from "./mutate.js";
import { readCases } from "./outcome.js";

const dice = new Dice(1);
using room = canaryRoom();
const whole = await room.canary();
const watched = ["outside", "outside/passwd", "outside/d", "outside/d/kept", "beside"].map((name) =>
  join(room.room, name),
);
const untouched = whatIsAround();
let case_ = 0;

// A process of its own, so that the memory it needs is the extraction's.
const outcome = await readCases(async (archive) => {
  case_ += 1;
  await extract(archive);
  if (whatIsAround() !== untouched) throw new Error("an escape: something around the root filesystem was changed");
});
if (JSON.stringify(await room.canary()) !== JSON.stringify(whole))
  outcome.faults.push("an escape: the canary is another one");
process.stdout.write(JSON.stringify(outcome, undefined, 1));

async function extract(archive: Buffer): Promise<void> {
  if (case_ % 20 === 0) renew();
  const file = join(room.archive, "rootfs-diff.tar");
  writeFileSync(file, archive);
  switch (dice.below(8)) {
    case 0:
      await importCheckpointWithoutConfig(room.rootfs, file);
      return;
    case 1:
      await importCheckpointConfigOnly(room.rootfs, file);
      return;
    case 2:
      writeFileSync(
        join(room.archive, "deleted.files"),
        dice.below(4) === 0 ? archive.subarray(0, 512) : JSON.stringify(paths()),
      );
      await removeDeletedFiles(room.archive, room.rootfs);
      return;
    default:
      await applyRootfsDiff(room.archive, room.rootfs, {
        devices: dice.below(2) === 0,
        whiteouts: dice.below(2) === 0,
      });
  }
}

function paths(): readonly string[] {
  const some = [
    "/a",
    "/a/b",
    "/d",
    "/out",
    "/real",
    "/out/passwd",
    "/../beside",
    "/inside/x",
    "/absolute/d",
    "/etc",
    "/caf\u00e9",
    "/",
  ];
  return Array.from({ length: 1 + dice.below(3) }, () => some[dice.below(some.length)] ?? "/a");
}

/** The root filesystem as it was at first. */
function renew(): void {
  for (const name of readdirSync(room.rootfs, { encoding: "buffer" })) {
    rmSync(Buffer.concat([Buffer.from(`${room.rootfs}/`), name]), { recursive: true });
  }
  for (const name of ["real", "etc"]) mkdirSync(join(room.rootfs, name));
  symlinkSync("../outside", join(room.rootfs, "out"));
  symlinkSync(join(room.room, "outside"), join(room.rootfs, "absolute"));
  symlinkSync("../outside/passwd", join(room.rootfs, "file-out"));
  symlinkSync("real", join(room.rootfs, "inside"));
}

/** What changes with any change: the kernel sets it, and nobody can set it back. */
function whatIsAround(): string {
  return watched.map((path) => String(lstatSync(path, { bigint: true }).ctimeNs)).join(" ");
}
