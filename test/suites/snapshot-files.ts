import assert from "node:assert/strict";
import { it } from "node:test";
import { isFailedPrecondition } from "../../src/errors.js";
import { directory, type FileChange, file, type SnapshotBed, whiteout } from "./snapshot-bed.js";

/** What a snapshotter must do with files. */
export function snapshotFileCases(bed: SnapshotBed): void {
  /** A snapshot on another one, with a change. */
  const changed = async (name: string, parent: string, change: FileChange) => {
    await bed.change(await bed.prepare(`making ${name}`, parent), change);
    await bed.commit(name, `making ${name}`);
    return bed.filesOf(name);
  };
  const paths = (files: Record<string, string>) => Object.keys(files).sort();

  it("shows a file as the topmost layer has it, and leaves it as it is below", async () => {
    await bed.committed("1", "", [file("foo", "one"), file("a/b/bar", "one")]);
    const second = await changed("2", "1", {
      script: "printf two > foo; printf more >> a/b/bar; printf new > a/new",
      layer: [file("foo", "two"), file("a/b/bar", "onemore"), file("a/new", "new")],
    });
    assert.deepEqual([second["foo"], second["a/b/bar"], second["a/new"]], ["two", "onemore", "new"].map(plain));
    const first = await bed.filesOf("1");
    assert.deepEqual([first["foo"], first["a/b/bar"], first["a/new"]], [plain("one"), plain("one"), undefined]);
  });

  it("does not show what was removed above, and does what was removed and made again", async () => {
    await bed.committed("1", "", [file("foo"), file("bar/baz"), file("dir/a"), file("dir/sub/b"), file("other")]);
    const second = await changed("2", "1", {
      script: "rm foo bar/baz; rm -r dir; mkdir dir; printf c > dir/c",
      layer: [whiteout("foo"), whiteout("bar/baz"), whiteout("dir/a"), whiteout("dir/sub"), file("dir/c", "c")],
    });
    assert.deepEqual(paths(second), ["bar", "dir", "dir/c", "other"]);
    const third = await changed("3", "2", {
      script: "rm -r dir; rmdir bar",
      layer: [whiteout("dir"), whiteout("bar")],
    });
    assert.deepEqual(paths(third), ["other"]);
    const fourth = await changed("4", "3", {
      script: "printf again > foo; mkdir dir",
      layer: [file("foo", "again"), directory("dir")],
    });
    assert.deepEqual(paths(fourth), ["dir", "foo", "other"]);
    assert.equal(paths(await bed.filesOf("1")).length, 8);
  });

  it("moves files and directories of the layers below", async () => {
    await bed.committed("1", "", [file("dir1/f1", "1"), file("dir2/f2", "2"), file("somefile", "s")]);
    const second = await changed("2", "1", {
      script: "mv dir1/f1 dir1/f2; mv dir2 dir1/moved; mv somefile elsewhere",
      layer: [
        ...[whiteout("dir1/f1"), file("dir1/f2", "1"), whiteout("dir2"), file("dir1/moved/f2", "2")],
        ...[whiteout("somefile"), file("elsewhere", "s")],
      ],
    });
    assert.deepEqual(paths(second), ["dir1", "dir1/f2", "dir1/moved", "dir1/moved/f2", "elsewhere"]);
    assert.deepEqual([second["dir1/f2"], second["dir1/moved/f2"], second["elsewhere"]], ["1", "2", "s"].map(plain));
    const third = await changed("3", "2", {
      script: "mv dir1 dir3; printf 3 > dir3/f3; mv dir3/f3 dir3/f4",
      layer: [whiteout("dir1"), file("dir3/f2", "1"), file("dir3/moved/f2", "2"), file("dir3/f4", "3")],
    });
    assert.deepEqual(paths(third), ["dir3", "dir3/f2", "dir3/f4", "dir3/moved", "dir3/moved/f2", "elsewhere"]);
  });

  it("keeps owners and modes through commits, of directories too", async () => {
    await bed.committed("1", "", [
      directory("opt", { mode: 0o750, uid: 1, gid: 2 }),
      directory("opt/sub", { mode: 0o1777, uid: 3, gid: 4 }),
      file("opt/sub/tool", "x", { mode: 0o4755, uid: 5, gid: 6 }),
      { name: "opt/link", type: "symlink", linkName: "sub/tool", mode: 0o777, uid: 9, gid: 9 },
    ]);
    const first = await bed.filesOf("1");
    assert.deepEqual(
      ["opt", "opt/sub", "opt/sub/tool", "opt/link"].map((path) => first[path]),
      [...["directory 750 1:2", "directory 1777 3:4", "file 4755 5:6 x"], "symlink 777 9:9 -> sub/tool"],
    );
    const second = await changed("2", "1", {
      script: "chown -hR 7:8 opt/sub; chmod 2700 opt/sub; printf y > opt/sub/more; chown 7:8 opt/sub/more",
      layer: [
        directory("opt/sub", { mode: 0o2700, uid: 7, gid: 8 }),
        // A change of the owner takes setuid away, where the kernel does it.
        file("opt/sub/tool", "x", { mode: 0o755, uid: 7, gid: 8 }),
        file("opt/sub/more", "y", { uid: 7, gid: 8 }),
      ],
    });
    assert.deepEqual(
      ["opt", "opt/sub", "opt/sub/tool", "opt/sub/more", "opt/link"].map((path) => second[path]),
      [
        ...["directory 750 1:2", "directory 2700 7:8", "file 755 7:8 x", "file 644 7:8 y"],
        "symlink 777 9:9 -> sub/tool",
      ],
    );
  });

  it("begins with a root that all may enter", async () => {
    const mounts = await bed.prepare("empty");
    const { shell } = bed.subject;
    if (shell !== undefined) assert.equal((await shell(mounts, "stat -c '%a %u:%g' .")).trim(), "755 0:0");
    assert.deepEqual(await bed.files(mounts), {});
  });

  it("lets nobody write to a view", async () => {
    await bed.committed("1", "", [file("foo", "one")]);
    const mounts = await bed.view("v", "1");
    await assert.rejects(bed.apply(mounts, [file("foo", "two"), file("bar")]), /read-only file system/);
    await assert.rejects(bed.apply(mounts, [whiteout("foo")]), /read-only file system/);
    assert.deepEqual(await bed.files(mounts), { foo: plain("one") });
    const { shell } = bed.subject;
    if (shell !== undefined) await assert.rejects(shell(mounts, "printf two > foo"), /Read-only file system/);
    await assert.rejects(bed.commit("2", "v"), isFailedPrecondition);
  });

  it("changes one snapshot and none of its brothers", async () => {
    await bed.committed("1", "", [file("foo", "one"), file("both/x", "x")]);
    const [left, right] = [await bed.prepare("left", "1"), await bed.prepare("right", "1")];
    await bed.apply(left, [file("foo", "left"), whiteout("both/x")]);
    await bed.apply(right, [file("foo", "right"), file("both/y", "y")]);
    assert.deepEqual(paths(await bed.files(left)), ["both", "foo"]);
    assert.equal((await bed.files(left))["foo"], plain("left"));
    assert.deepEqual(paths(await bed.files(right)), ["both", "both/x", "both/y", "foo"]);
    assert.equal((await bed.filesOf("1"))["foo"], plain("one"));
  });

  it("stands on a hundred and twenty-eight layers", async () => {
    for (let layer = 0; layer < 128; layer++) {
      const gone = layer % 16 === 15 ? [whiteout(`f${layer - 1}`)] : [];
      const files = [file("bottom", `layer ${layer}`), file(`f${layer}`, String(layer)), ...gone];
      await bed.committed(`layer ${layer}`, layer === 0 ? "" : `layer ${layer - 1}`, files);
    }
    const files = await bed.filesOf("layer 127");
    assert.equal(files["bottom"], plain("layer 127"));
    assert.equal(Object.keys(files).length, 1 + 128 - 8);
    assert.equal(files["f63"], plain("63"));
    assert.equal(files["f62"], undefined);
  });

  it("measures what a snapshot adds", async () => {
    await bed.committed("1", "", [file("big", "x".repeat(100_000)), directory("d"), file("d/small", "y")]);
    const { size, inodes } = await bed.snapshots.usage("1");
    assert.equal(inodes, 4);
    assert.ok(size >= 100_001 && size < 130_000, String(size));
    await bed.committed("2", "1", [file("d/other", "z".repeat(5000))]);
    const above = await bed.snapshots.usage("2");
    assert.equal(above.inodes, 3);
    assert.ok(above.size >= 5000 && above.size < 30_000, String(above.size));
    await bed.view("v", "2");
    assert.deepEqual(await bed.snapshots.usage("v"), { size: 0, inodes: 0 });
    const active = await bed.prepare("a", "2");
    await bed.apply(active, [file("more", "m".repeat(9000))]);
    assert.ok((await bed.snapshots.usage("a")).size >= 9000);
  });
}

function plain(content: string): string {
  return `file 644 0:0 ${content}`;
}
