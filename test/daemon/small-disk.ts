import { statfsSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../lab/command.js";
import type { Daemon } from "../../lab/daemon.js";

/** A filesystem that is soon full, at one path both for this process and for a daemon in its box. */
export class SmallDisk {
  #undo: (() => Promise<unknown>)[] = [];
  #path = "";

  /** Shows it at `path`, with what was there. */
  async mount(daemon: Daemon, path: string, mebibytes: number): Promise<void> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const directory = await mkdtemp(join(tmpdir(), "small-disk-"));
    this.#undo.unshift(() => rm(directory, { recursive: true }));
    const [image, staged] = [join(directory, "image"), join(directory, "staged")];
    await mkdir(staged);
    await using file = await open(image, "wx");
    await file.truncate(mebibytes * 1024 * 1024);
    await runCommand("mkfs.ext4", ["-q", "-m", "0", image]);
    const { stdout } = await runCommand("losetup", ["--find", "--show", image]);
    const device = stdout.trim();
    this.#undo.unshift(() => runCommand("losetup", ["--detach", device]));
    await runCommand("mount", [device, staged]);
    await runCommand("rmdir", [join(staged, "lost+found")]);
    await runCommand("cp", ["--archive", `${path}/.`, staged]);
    await runCommand("umount", [staged]);
    await runCommand("mount", [device, path]);
    this.#undo.unshift(() => runCommand("umount", [path]));
    await daemon.inBox("mount", [device, path]);
    this.#undo.unshift(() => daemon.inBox("umount", [path]));
    this.#path = path;
  }

  /** Leaves no byte of it, or so many. */
  fill(freeBytes = 0): void {
    const { bavail, bsize } = statfsSync(this.#path);
    try {
      writeFileSync(join(this.#path, "filler"), new Uint8Array(bavail * bsize - freeBytes));
    } catch (reason) {
      // Where the file lies must be written down, too.
      if (!(reason instanceof Error && "code" in reason && reason.code === "ENOSPC")) throw reason;
    }
  }

  async unmount(): Promise<void> {
    for (const undo of this.#undo.splice(0)) await undo();
  }
}
