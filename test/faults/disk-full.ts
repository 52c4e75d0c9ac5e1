import { mkdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../lab/command.js";
import { ContainerdError } from "../../src/index.js";
import { TEMPORARY } from "./auditor.js";
import { type FaultCase, type FaultCases, untyped } from "./case.js";
import type { Scene } from "./scene.js";

const STORE_MIB = 256;

/**
 * A filesystem that a checkpoint writes to is full, to within so many KiB: the error is typed, the task runs on, nothing is
 * left behind.
 */
export async function* diskFull(scene: Scene, sizes: readonly number[]): FaultCases {
  yield* fullDumpDirectory(scene, sizes);
  yield* fullTemporaryDirectory(scene, sizes);
  yield* fullContentStore(scene, sizes);
}

async function* fullDumpDirectory(scene: Scene, sizes: readonly number[]): FaultCases {
  const dumps = join(scene.daemon.root, "containerd-client");
  for (const kib of sizes) {
    await mkdir(dumps, { recursive: true, mode: 0o700 });
    // What is mounted on the machine shows in the daemon's mounts, too.
    await runCommand("mount", ["-t", "tmpfs", "-o", `size=${kib}k,mode=700`, "tmpfs", dumps]);
    try {
      yield await attempt(scene, `dump directory of ${kib} KiB`);
    } finally {
      await runCommand("umount", [dumps]);
    }
  }
}

async function* fullTemporaryDirectory(scene: Scene, sizes: readonly number[]): FaultCases {
  for (const kib of sizes) {
    await scene.daemon.inBox("mount", ["-t", "tmpfs", "-o", `size=${kib}k,mode=1777`, "tmpfs", TEMPORARY]);
    try {
      yield await attempt(scene, `temporary directory of ${kib} KiB`);
    } finally {
      await scene.daemon.inBox("umount", [TEMPORARY]);
    }
  }
}

async function* fullContentStore(scene: Scene, sizes: readonly number[]): FaultCases {
  const { daemon } = scene;
  const store = join(daemon.root, "io.containerd.content.v1.content");
  const aside = `${store}.aside`;
  await daemon.kill();
  await rename(store, aside);
  await mkdir(store, { mode: 0o700 });
  await runCommand("mount", ["-t", "tmpfs", "-o", `size=${STORE_MIB}m,mode=700`, "tmpfs", store]);
  await runCommand("cp", ["-a", `${aside}/.`, store]);
  await daemon.start();
  try {
    for (const kib of sizes) {
      const { bavail, bsize } = await statfs(store);
      const ballast = join(store, "ballast");
      await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - kib * 1024)));
      yield await attempt(scene, `content store with ${kib} KiB free`, () => rm(ballast));
    }
  } finally {
    await daemon.kill();
    await runCommand("umount", [store]);
    // A daemon that was killed while it started may have begun below the mount.
    await rm(store, { recursive: true });
    await rename(aside, store);
    await daemon.start();
  }
}

async function attempt(scene: Scene, name: string, makeRoom = async () => {}): Promise<FaultCase> {
  const { auditor } = scene;
  const ref = scene.fresh("cp");
  const before = await auditor.inventory();
  const failure = await scene.container.checkpoint(ref).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const troubles: string[] = [];
  const missing = await auditor.missingOf(ref);
  if (failure === undefined) {
    if (missing === undefined || missing.length > 0) troubles.push("a false success");
  } else if (failure instanceof ContainerdError) {
    if (failure.operation?.taskStatus !== "running")
      troubles.push(`it says the task is ${failure.operation?.taskStatus}`);
    if (missing !== undefined) troubles.push("an image in spite of the failure");
  } else {
    troubles.push(...untyped(failure));
  }
  const stuck = await scene.trouble(0);
  if (stuck !== undefined) troubles.push(stuck);
  await makeRoom();
  if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
  troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
  const how = failure instanceof ContainerdError ? `${failure.code}: ${failure.message}` : "success";
  return { name: `${name} (${how})`, troubles };
}
