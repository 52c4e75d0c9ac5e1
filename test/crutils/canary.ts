import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Description, describeDirectory } from "./description.js";

/** A root filesystem and an archive's directory, with files around them that nobody may touch. */
export interface CanaryRoom extends Disposable {
  /** All of it. */
  readonly room: string;
  readonly archive: string;
  readonly rootfs: string;
  /** What lies around the root filesystem and the archive, by all there is to say of it. */
  canary(): Promise<Description>;
}

/** Makes such a room. The root filesystem has links that lead out of it. */
export function canaryRoom(): CanaryRoom {
  const room = mkdtempSync(join(tmpdir(), "canary-"));
  const [archive, rootfs, outside] = ["archive", "rootfs", "outside"].map((name) => join(room, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [archive, rootfs, outside, join(outside, "d"), join(rootfs, "real"), join(rootfs, "etc")])
    mkdirSync(directory);
  writeFileSync(join(outside, "passwd"), "root:x:0:0", { mode: 0o640 });
  writeFileSync(join(outside, "d", "kept"), "kept");
  writeFileSync(join(room, "beside"), "beside");
  writeFileSync(join(rootfs, "etc", "passwd"), "root:x:0:0:inside");
  symlinkSync("../outside", join(rootfs, "out"));
  symlinkSync(outside, join(rootfs, "absolute"));
  symlinkSync("../outside/passwd", join(rootfs, "file-out"));
  symlinkSync("real", join(rootfs, "inside"));
  return {
    room,
    archive,
    rootfs,
    async canary() {
      const whole = await describeDirectory(room);
      return Object.fromEntries(
        Object.entries(whole)
          .filter(([path]) => !/^(rootfs|archive)(\/|$)/.test(path))
          // What is made for a moment beside an archive changes the time of what both lie in.
          .map(([path, text]) => [path, path === "." ? "" : text]),
      );
    },
    [Symbol.dispose]: () => rmSync(room, { recursive: true }),
  };
}
