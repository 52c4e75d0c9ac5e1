import {
  chmodSync,
  chownSync,
  closeSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../lab/command.js";

const SPARSE_BYTES = 32 * 2 ** 20;

/** Makes a root filesystem as an image has it. */
export async function makeBase(root: string): Promise<void> {
  mkdirSync(root, { mode: 0o755 });
  const file = (path: string, text: string) => writeFileSync(join(root, path), text);
  for (const path of [
    "etc",
    "usr",
    "usr/lib",
    "gone",
    "gone/deep",
    "again",
    "again/sub",
    "to-file",
    "to-file/x",
    "to-link",
  ])
    mkdirSync(join(root, path));
  symlinkSync("usr/lib", join(root, "lib"));
  for (const path of [
    "etc/config",
    "gone/a",
    "gone/deep/b",
    "again/old",
    "again/sub/old",
    "to-file/x/y",
    "to-link/f",
    "to-directory",
  ])
    file(path, `old ${path}`);
  for (const path of ["deleted", "unchanged", "same-size", "hard", "touched"]) file(path, `old ${path}`);
  symlinkSync("hard", join(root, "link"));
  await setTimes(root, 0);
}

/** Does to it what a container may do to its root filesystem. */
export async function makeChanges(root: string, setfattr: string): Promise<void> {
  const at = (path: string) => join(root, path);
  const file = (path: string, text: string | Uint8Array = `new ${path}`, mode = 0o644) =>
    writeFileSync(at(path), text, { mode });
  file("etc/config", "changed");
  file("same-size", "OLD same-size");
  rmSync(at("deleted"));
  rmSync(at("gone"), { recursive: true });
  rmSync(at("again"), { recursive: true });
  mkdirSync(at("again/sub"), { recursive: true });
  file("again/new");
  file("again/sub/new");
  rmSync(at("to-file"), { recursive: true });
  file("to-file");
  unlinkSync(at("to-directory"));
  mkdirSync(at("to-directory/below"), { recursive: true });
  file("to-directory/below/f");
  rmSync(at("to-link"), { recursive: true });
  symlinkSync("/etc/passwd", at("to-link"));
  unlinkSync(at("link"));
  symlinkSync("../../elsewhere/é", at("link"));
  linkSync(at("hard"), at("etc/hard-of-old"));
  file("first");
  linkSync(at("first"), at("second"));
  linkSync(at("first"), at("usr/third"));
  mkdirSync(at("private"), { mode: 0o700 });
  mkdirSync(at("tmp"));
  chmodSync(at("tmp"), 0o1777);
  mkdirSync(at("empty"));
  file("empty-file", "");
  file("setuid", "#!");
  chownSync(at("setuid"), 1000, 50);
  chmodSync(at("setuid"), 0o6755);
  file("read-only", "x", 0o400);
  file("no-rights", "x");
  chmodSync(at("no-rights"), 0);
  file("large-ids");
  chownSync(at("large-ids"), 3_000_000_000, 4_000_000_000);
  lchownSync(at("to-link"), 70_000, 70_001);
  chownSync(at("usr/lib"), 12, 34);
  chmodSync(at("usr/lib"), 0o2750);
  for (const name of [
    "ünïcödé ☃ 漢字",
    "e\u0301",
    "\u00e9",
    "new\nline",
    "-rf",
    " ",
    "back\\slash",
    "\u0001\u001b[31m",
    "*?[",
    "'\"$(x)",
  ])
    file(name);
  for (const name of [".wh.literal", ".wh..wh..opq", "n".repeat(255), "aa:b", "x=y"]) file(name);
  const deep = Array.from({ length: 12 }, (_, level) => `${level}-${"d".repeat(90)}`).join("/");
  mkdirSync(at(deep), { recursive: true });
  file(`${deep}/${"long".repeat(40)}`);
  symlinkSync("t".repeat(3000), at("long-link"));
  const sparse = openSync(at("sparse"), "w");
  writeSync(sparse, "begin", 0);
  writeSync(sparse, "middle", SPARSE_BYTES / 2 + 77);
  writeSync(sparse, "end", SPARSE_BYTES - 3);
  closeSync(sparse);
  await runCommand("truncate", ["-s", String(SPARSE_BYTES), at("hole")]);
  await runCommand("mkfifo", ["-m", "0640", at("fifo")]);
  await runCommand("mknod", ["-m", "0600", at("null"), "c", "1", "3"]);
  await runCommand("mknod", ["-m", "0660", at("disk"), "b", "250", "300"]);
  file("attributes");
  file("capable");
  const set = (path: string, name: string, hex: string) => runCommand(setfattr, ["-n", name, "-v", hex, at(path)]);
  await set("attributes", "user.binary", "0xff00fe0a3dc3");
  await set("attributes", "user.empty", "0x");
  await set("attributes", "trusted.own", "0x00ff");
  await set("read-only", "user.ro", "0x31");
  await set("private", "user.directory", "0xfffe");
  await set("capable", "security.capability", "0x0100000200040000000000000000000000000000");
  chmodSync(root, 0o555);
  await setTimes(root, 1000);
  await runCommand("touch", ["-h", "-d", "1960-05-05 05:05:05", at("first")]);
  await runCommand("touch", ["-d", "2400-01-01 00:00:00.000000001", at("empty-file")]);
  await runCommand("touch", ["-d", "@1700000000.999999999", at("touched"), at("empty")]);
}

/** Makes a copy with all that there is. */
export async function copyTree(from: string, to: string): Promise<void> {
  await runCommand("cp", ["-aT", from, `${to}.partial`]);
  renameSync(`${to}.partial`, to);
}

// Each to the nanosecond, and those of what is new.
const TOUCH_NEW = `find "$0" -depth -newermt @1700000000 -exec sh -c 'i=$0; for f; do i=$((i+1));
  touch -h -d "@$((1200000000+i*7919)).$((100000001+i*98765431%800000000))" "$f"; done' "$1" {} +`;

/** Gives times of its own to all that is new, so that what keeps none is found out. */
async function setTimes(root: string, first: number): Promise<void> {
  await runCommand("sh", ["-c", TOUCH_NEW, root, String(first)]);
}
