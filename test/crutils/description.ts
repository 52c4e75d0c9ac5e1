import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../lab/command.js";

/** All there is to say of each path below a directory: kind, mode, owner, time to the nanosecond, links, content, attributes. */
export type Description = Readonly<Record<string, string>>;

/** Says what `stat` and `getfattr` say of everything below a directory. */
export async function describeDirectory(directory: string, getfattr?: string): Promise<Description> {
  const inodes = new Map<bigint, string>();
  const lines: Record<string, string> = {};
  const visit = (path: string): void => {
    const full = join(directory, path);
    const stat = lstatSync(full, { bigint: true });
    const first = inodes.get(stat.ino) ?? path;
    inodes.set(stat.ino, first);
    lines[path] = [
      stat.mode.toString(8),
      `${stat.uid}:${stat.gid}`,
      stat.mtimeNs,
      stat.isDirectory() ? "" : `${stat.nlink} ${first}`,
      contentOf(full, stat),
    ].join(" ");
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(full).sort()) visit(join(path, name));
  };
  visit(".");
  if (getfattr !== undefined)
    for (const [path, xattrs] of await xattrsIn(directory, getfattr)) lines[path] += ` ${xattrs}`;
  return lines;
}

function contentOf(path: string, stat: BigIntStats): string {
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return `device ${stat.rdev}`;
  if (!stat.isFile()) return "";
  return `${stat.size} ${createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16)}`;
}

async function xattrsIn(directory: string, getfattr: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runCommand("sh", [
    "-c",
    'cd "$0" && exec "$1" -R -P -h -d -m - -e hex .',
    directory,
    getfattr,
  ]);
  const found = new Map<string, string>();
  for (const block of stdout.split("\n\n")) {
    const [head = "", ...values] = block.split("\n").filter((line) => line !== "");
    const name = head
      .replace(/^# file: /, "")
      .replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (values.length > 0) found.set(Buffer.from(name, "latin1").toString(), values.sort().join(" "));
  }
  return found;
}
