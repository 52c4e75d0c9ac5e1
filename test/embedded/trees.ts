import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { DirectoryVolumes } from "../../src/embedded/snapshots/directory-volumes.js";
import { MemoryVolumes } from "../../src/embedded/snapshots/memory-volumes.js";
import type { Volumes } from "../../src/embedded/snapshots/volumes.js";
import type { Attributes, Tree } from "../../src/tree/tree.js";
import { parentOf } from "../../src/tree/tree-path.js";

/** A kind of trees, and where they are made. */
export interface TreeBed extends AsyncDisposable {
  readonly volumes: Volumes;
  /** The same files, as another process finds them; undefined where nothing outlives this one. */
  reopened(): Volumes | undefined;
  /** Where a volume's files are; for those that have some. */
  path(below: string): string;
}

/** The kinds of trees there are on this machine. */
export const treeBeds: Readonly<Record<string, () => Promise<TreeBed>>> = {
  "in memory": async () => ({
    volumes: new MemoryVolumes(undefined),
    reopened: () => undefined,
    path: () => assert.fail("it is in memory"),
    [Symbol.asyncDispose]: async () => {},
  }),
  "in memory and a directory": () => inDirectory((root) => new MemoryVolumes(root)),
  ...(process.platform === "linux" && process.getuid?.() === 0
    ? { "in directories": () => inDirectory((root) => new DirectoryVolumes(root)) }
    : {}),
};

async function inDirectory(make: (root: string) => Volumes): Promise<TreeBed> {
  const root = await mkdtemp(join(tmpdir(), "trees-"));
  return {
    volumes: make(root),
    reopened: () => make(root),
    path: (below) => join(root, below),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

/** One thing that is done to a tree. */
export interface Step {
  readonly act: "file" | "directory" | "symlink" | "link" | "fifo" | "device" | "remove" | "attributes" | "xattrs";
  readonly path: string;
  readonly other: string;
  readonly attributes: Attributes;
  readonly content: Uint8Array;
}

// Few names, so that they meet.
const name = fc.constantFrom("a", "b", "ä", ".x", "a.b");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const time = fc.oneof(
  fc.integer({ min: 0, max: 2_000_000_000 }).map((seconds) => new Date(seconds * 1000)),
  fc.integer({ min: 0, max: 2_000_000_000_000 }).map((ms) => new Date(ms)),
);

/** Any steps. */
export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record<Step>({
    act: fc.constantFrom(
      ...(["file", "file", "directory", "directory", "symlink", "link"] as const),
      ...(["fifo", "device", "remove", "attributes", "xattrs"] as const),
    ),
    path,
    other: path,
    attributes: fc.record({
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.constantFrom(0, 1000, 3_000_000),
      gid: fc.constantFrom(0, 50),
      modifiedAt: time,
    }),
    content: fc.uint8Array({ maxLength: 2000 }),
  }),
  { maxLength: 20 },
);

/** Does to a tree what of the steps can be done. */
export async function perform(tree: Tree, all: readonly Step[]): Promise<void> {
  for (const step of all) {
    await makeWay(tree, parentOf(step.path), step.attributes);
    await performOne(tree, step);
  }
}

async function performOne(tree: Tree, { act, path: at, other, attributes, content }: Step): Promise<void> {
  const node = await tree.stat(at);
  if (act === "attributes") {
    if (node !== undefined)
      await tree.change(at, node.type === "symlink" ? { ...attributes, mode: node.mode } : attributes);
    return;
  }
  if (act === "xattrs") {
    // Of a directory no layer can say that it lost one.
    if (node?.type === "file") await tree.setXattrs(new Map([[at, new Map([["user.test", content.slice(0, 100)]])]]));
    return;
  }
  const target = act === "link" ? await tree.stat(other) : undefined;
  if (act === "link" && (target === undefined || target.type === "directory" || other === at)) return;
  if (other.startsWith(`${at}/`)) return;
  if (node !== undefined) await tree.remove(at);
  switch (act) {
    case "file":
      return tree.write(at, bytes(content), attributes);
    case "directory":
      return tree.make(at, { ...attributes, type: "directory" });
    case "symlink":
      return tree.make(at, { ...attributes, mode: 0o777, type: "symlink", linkName: `../${other}` });
    case "link":
      return tree.link(at, other);
    case "fifo":
      return tree.make(at, { ...attributes, type: "fifo" });
    case "device":
      return tree.make(at, { ...attributes, type: "character-device", device: { major: 1, minor: content.length } });
    case "remove":
  }
}

async function makeWay(tree: Tree, directory: string, attributes: Attributes): Promise<void> {
  if (directory === "") return;
  await makeWay(tree, parentOf(directory), attributes);
  const node = await tree.stat(directory);
  if (node?.type === "directory") return;
  if (node !== undefined) await tree.remove(directory);
  await tree.make(directory, { ...attributes, type: "directory" });
}

/** Everything that can be told of a tree, a line each; hard links by their first name. */
export async function describeTree(
  tree: Tree,
  directory = "",
  seen: Map<string, string> = new Map(),
): Promise<string[]> {
  const xattrs = await tree.xattrs();
  const visit = async (each: string): Promise<string[]> => {
    const node = await tree.stat(each);
    if (node === undefined) throw new Error(`${each} is gone`);
    const { type, mode, uid, gid, modifiedAt, size, linkName = "", device } = node;
    const first = node.links > 1 ? (seen.get(node.inode) ?? each) : "";
    if (node.links > 1) seen.set(node.inode, first);
    const chunks: Uint8Array[] = [];
    if (type === "file") for await (const chunk of tree.read(each)) chunks.push(chunk);
    const attributes = [...(xattrs.get(each) ?? [])].map(
      ([key, value]) => `${key}=${Buffer.from(value).toString("hex")}`,
    );
    const line = [
      ...[each, type, mode.toString(8), `${uid}:${gid}`, size, each === "" ? "" : modifiedAt.toISOString()],
      ...[linkName, device ? `${device.major},${device.minor}` : "", first, attributes.sort().join(" ")],
      Buffer.concat(chunks).toString("hex"),
    ].join(" | ");
    if (type !== "directory") return [line];
    const below: string[] = [];
    for (const child of (await tree.entries(each)).keys())
      below.push(...(await visit(each === "" ? child : `${each}/${child}`)));
    return [line, ...below];
  };
  return visit(directory);
}

export async function* bytes(content: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < content.length; at += 700) yield content.subarray(at, at + 700);
}
