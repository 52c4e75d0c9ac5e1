import { mkdir, readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../lab/command.js";
import { ContainerdError, ResourceExhaustedError } from "../../src/index.js";
import { TEMPORARY } from "./auditor.js";
import { type FaultCase, type FaultCases, told } from "./case.js";
import { type Checkpointer, library } from "./checkpointer.js";
import type { Scene } from "./scene.js";

const STORE_MIB = 256;

/**
 * A filesystem that a checkpoint writes to is full, to within so many KiB: the error is typed, the task runs on, nothing is
 * left behind.
 */
export async function* diskFull(scene: Scene, sizes: readonly number[], by: Checkpointer = library): FaultCases {
  // Nobody else writes there.
  if (by === library) yield* fullDumpDirectory(scene, sizes);
  if (by === library) yield* fullExportTarget(scene, sizes);
  yield* fullTemporaryDirectory(scene, sizes, by);
  yield* fullContentStore(scene, sizes, by);
}

async function* fullDumpDirectory(scene: Scene, sizes: readonly number[]): FaultCases {
  const dumps = join(scene.daemon.root, "containerd-client");
  for (const kib of sizes) {
    await mkdir(dumps, { recursive: true, mode: 0o700 });
    // What is mounted on the machine shows in the daemon's mounts, too.
    await runCommand("mount", ["-t", "tmpfs", "-o", `size=${kib}k,mode=700`, "tmpfs", dumps]);
    try {
      yield await attempt(scene, `dump directory of ${kib} KiB`, library);
    } finally {
      await runCommand("umount", [dumps]);
    }
  }
}

async function* fullTemporaryDirectory(scene: Scene, sizes: readonly number[], by: Checkpointer): FaultCases {
  for (const kib of sizes) {
    await scene.daemon.inBox("mount", ["-t", "tmpfs", "-o", `size=${kib}k,mode=1777`, "tmpfs", TEMPORARY]);
    try {
      yield await attempt(scene, `temporary directory of ${kib} KiB`, by);
    } finally {
      await scene.daemon.inBox("umount", [TEMPORARY]);
    }
  }
}

async function* fullContentStore(scene: Scene, sizes: readonly number[], by: Checkpointer): FaultCases {
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
      yield await attempt(scene, `content store with ${kib} KiB free`, by, () => rm(ballast));
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

/** An archive of a checkpoint goes to a disk that is too small for it. */
async function* fullExportTarget(scene: Scene, sizes: readonly number[]): FaultCases {
  const { auditor, client, daemon } = scene;
  const ref = scene.fresh("frozen");
  await scene.container.checkpoint(ref);
  const target = join(daemon.directory, "target");
  await mkdir(target);
  for (const kib of sizes) {
    const before = await auditor.inventory();
    await runCommand("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs", target]);
    try {
      const path = join(target, "checkpoint.tar");
      const failure = await client.images.exportFile(path, ref).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const there = (await readdir(target)).join(", ");
      const troubles: string[] = [];
      if (failure === undefined) {
        if (there !== "checkpoint.tar") troubles.push("a false success");
      } else {
        if (!(failure instanceof ResourceExhaustedError)) troubles.push(`no typed refusal: ${told(failure)}`);
        else if (!failure.message.includes(target)) troubles.push(`it does not say where: ${failure.message}`);
        if (there !== "") troubles.push(`left behind: ${there}`);
      }
      const stuck = await scene.trouble(0);
      if (stuck !== undefined) troubles.push(stuck);
      troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
      yield { name: `export target of ${kib} KiB (${failure === undefined ? "success" : told(failure)})`, troubles };
    } finally {
      await runCommand("umount", [target]);
    }
  }
  await rm(target, { recursive: true });
  await client.images.delete(ref, { sync: true });
}

async function attempt(scene: Scene, name: string, by: Checkpointer, makeRoom = async () => {}): Promise<FaultCase> {
  const { auditor } = scene;
  const ref = scene.fresh("cp");
  const before = await auditor.inventory();
  const failure = await by.make(scene, ref);
  const troubles: string[] = [];
  const missing = await auditor.missingOf(ref);
  if (failure === undefined) {
    if (missing === undefined || missing.length > 0) troubles.push("a false success");
  } else if (failure instanceof ContainerdError) {
    if (failure.operation?.taskStatus !== "running")
      troubles.push(`it says the task is ${failure.operation?.taskStatus}`);
    if (missing !== undefined) troubles.push("an image in spite of the failure");
  } else {
    troubles.push(...by.wrong(failure));
  }
  const stuck = await scene.trouble(0);
  if (stuck !== undefined) {
    troubles.push(stuck);
    await scene.renew();
  }
  await makeRoom();
  if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
  troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
  const how = failure instanceof ContainerdError ? `${failure.code}: ${failure.message}` : "success";
  return { name: `${name} (${how})`, troubles };
}
