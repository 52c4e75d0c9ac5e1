import assert from "node:assert/strict";
import { it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import * as zlib from "node:zlib";
import type { Mount } from "../../src/client/mount.js";
import { readBlob } from "../../src/content/blob.js";
import { isAlreadyExists, isNotFound, isNotImplemented } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD } from "../../src/oci/media-types.js";
import { decompress } from "../../src/tar/decompress.js";
import { readTar, type TarFile, writeTar } from "../../src/tar/tar.js";
import { all } from "./content-bed.js";
import {
  bytesOf,
  directory,
  type FileChange,
  file,
  listing,
  type SnapshotBed,
  THEN,
  whiteout,
} from "./snapshot-bed.js";

const CAPABILITY = Buffer.from("0100000200ff00fe00000000000000000000000a", "hex");

/** Members of every kind. */
const everything: readonly TarFile[] = [
  directory("d", { mode: 0o1770, uid: 1000, gid: 100 }),
  file("d/plain", "text", { uid: 3_000_000, gid: 5 }),
  file("d/tool", "elf", { mode: 0o6755 }),
  file("ping", "elf", { mode: 0o755, xattrs: new Map([["security.capability", CAPABILITY]]) }),
  { name: "d/link", type: "link", linkName: "d/plain", uid: 3_000_000, gid: 5 },
  { name: "absolute", type: "symlink", linkName: "/nowhere/at/all", mode: 0o777 },
  { name: "relative", type: "symlink", linkName: "d/plain", mode: 0o777 },
  { name: "pipe", type: "fifo", mode: 0o620 },
  { name: "null", type: "character-device", device: { major: 1, minor: 3 }, mode: 0o666 },
  { name: "disk", type: "block-device", device: { major: 259, minor: 300 }, mode: 0o660, gid: 6 },
  file("ünï/ж", "names"),
  file(`${"long/".repeat(30)}name`, "deep"),
];

/** Changes of every kind to {@link everything}, said for a shell and as a layer. */
const changes: Readonly<Record<string, FileChange>> = {
  "files that are changed, added, removed": {
    script: "printf other > d/plain; printf new > d/new; rm d/tool pipe",
    layer: [file("d/plain", "other"), file("d/new", "new"), whiteout("d/tool"), whiteout("pipe")],
  },
  "a file that is removed and made again": {
    script: "rm d/tool; printf again > d/tool",
    layer: [file("d/tool", "again")],
  },
  "a directory that is removed and made again": {
    script: "rm -r d; mkdir d; printf one > d/one",
    layer: [directory("d"), { name: "d/.wh..wh..opq" }, file("d/one", "one")],
  },
  "kinds that are replaced by each other": {
    script:
      "rm -r d; printf file > d; rm ping; mkdir ping; printf in > ping/in; rm relative; mkfifo relative; rm null; ln -s x null",
    layer: [
      ...[file("d", "file"), directory("ping"), file("ping/in", "in"), { name: "relative", type: "fifo" } as const],
      { name: "null", type: "symlink", linkName: "x" },
    ],
  },
  "hard links that come and go": {
    script: "ln ping d/ping; ln ping other; rm d/link; ln d/tool tool",
    layer: [
      file("ping", "elf", { mode: 0o755, xattrs: new Map([["security.capability", CAPABILITY]]) }),
      { name: "d/ping", type: "link", linkName: "ping", mode: 0o755 },
      { name: "other", type: "link", linkName: "ping", mode: 0o755 },
      whiteout("d/link"),
      file("d/tool", "elf", { mode: 0o6755 }),
      { name: "tool", type: "link", linkName: "d/tool", mode: 0o6755 },
    ],
  },
  "modes and owners alone": {
    script: "chown 7:8 d; chmod 500 d; chmod 4711 d/plain",
    layer: [
      directory("d", { mode: 0o500, uid: 7, gid: 8 }),
      file("d/plain", "text", { mode: 0o4711, uid: 3_000_000, gid: 5 }),
    ],
  },
  nothing: { script: ":", layer: [] },
};

/** What layers must do: those that are unpacked, and those that are made. */
export function layerCases(bed: SnapshotBed): void {
  const diffs = () => bed.subject.client.diffs;
  const content = () => bed.subject.client.content;
  const diff = (lower: readonly Mount[], upper: readonly Mount[], mediaType = MEDIA_TYPE_LAYER, more: object = {}) =>
    diffs().diff(lower, upper, { ...bed.call, mediaType, ...more });
  const members = async (layer: Descriptor) => {
    const names: string[] = [];
    for await (const { name } of readTar(content().read(layer))) names.push(name);
    return names;
  };

  it("are unpacked with everything that can be in them", async () => {
    await bed.committed("all", "", everything);
    const files = await bed.filesOf("all");
    const expected = await listing(writeTar(everything));
    for (const [path, line] of Object.entries(expected)) {
      if (path !== "d/link" && path !== "d/plain") assert.equal(files[path], line, path);
    }
    assert.deepEqual([files["d/link"], files["d/plain"]], ["file 644 3000000:5 text", "link 644 3000000:5 -> d/link"]);
    assert.equal(files["long/long"], "directory 755 0:0");
  });

  it("are unpacked whatever they are packed with, and told of as they are unpacked", async () => {
    const tar = await bytesOf(writeTar([file("foo", "foo")]));
    const plain = { mediaType: MEDIA_TYPE_LAYER, digest: digestOf(tar), size: tar.length };
    const packed = [
      [tar, MEDIA_TYPE_LAYER],
      [zlib.gzipSync(tar), MEDIA_TYPE_LAYER_GZIP],
      // The first bytes tell, not the media type, but where it says that nothing is packed.
      [tar, MEDIA_TYPE_LAYER_ZSTD],
      [zlib.gzipSync(tar, { level: 1 }), MEDIA_TYPE_LAYER_ZSTD],
      [zlib.gzipSync(tar, { level: 3 }), "application/vnd.docker.image.rootfs.diff.tar"],
      [zlib.gzipSync(tar, { level: 9 }), "application/vnd.docker.image.rootfs.diff.tar.gzip"],
      [zlib.gzipSync(tar, { level: 2 }), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
    ] as const;
    for (const [bytes, mediaType] of packed) {
      const mounts = await bed.prepare(`unpacking ${digestOf(bytes)} ${mediaType}`);
      const layer = await bed.blob(bytes, mediaType);
      assert.deepEqual(await diffs().apply(layer, mounts, bed.call), plain);
      assert.deepEqual(await bed.files(mounts), { foo: "file 644 0:0 foo" });
    }
    const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Uint8Array) => Uint8Array };
    if (zstdCompressSync === undefined) return;
    const layer = await bed.blob(zstdCompressSync(tar), MEDIA_TYPE_LAYER_ZSTD);
    assert.deepEqual(await diffs().apply(layer, await bed.prepare("zstd"), bed.call), plain);
  });

  it("are not unpacked when they are not there, no layers, or broken", async () => {
    const mounts = await bed.prepare("target");
    const tar = await bytesOf(writeTar([file("foo", "x".repeat(5000))]));
    const layer = await bed.blob(tar);
    await assert.rejects(
      diffs().apply({ ...layer, digest: digestOf(Buffer.from("no")) }, mounts, bed.call),
      isNotFound,
    );
    await assert.rejects(
      diffs().apply({ ...layer, mediaType: "text/plain" }, mounts, bed.call),
      /no processor for media-type/,
    );
    await assert.rejects(diffs().apply(await bed.blob(zlib.gzipSync(tar)), mounts, bed.call));
    const broken = [tar.subarray(0, 2000), Buffer.from("no tar".repeat(1000)), zlib.gzipSync(tar).subarray(0, 60)];
    for (const bytes of broken) await assert.rejects(diffs().apply(await bed.blob(bytes), mounts, bed.call));
    const elsewhere = { type: "bind", source: "/nonexistent", options: ["rbind", "rw"] };
    await assert.rejects(diffs().apply(layer, [elsewhere], bed.call));
  });

  it("are made of what differs, and of the directories above it", async () => {
    await bed.committed("1", "", [
      directory("a"),
      directory("a/b"),
      file("a/b/c", "c"),
      file("a/x", "x"),
      file("y", "y"),
    ]);
    const [lower, upper] = [await bed.view("lower", "1"), await bed.prepare("upper", "1")];
    await bed.apply(upper, [file("a/b/c", "changed", { modifiedAt: new Date(THEN.getTime() + 5000) }), whiteout("y")]);
    const layer = await diff(lower, upper);
    assert.deepEqual((await members(layer)).sort(), [".wh.y", "a/", "a/b/", "a/b/c"]);
    assert.equal((await members(await diff(lower, lower))).length, 0);
  });

  it("are the same bytes as the daemon's, where times are whole seconds", async () => {
    const files = [
      directory("d", { mode: 0o755 }),
      file("d/f", "text", { mode: 0o600, uid: 5, gid: 6 }),
      { name: "d/g", type: "symlink", linkName: "f", mode: 0o777 } as const,
      file("h", "x".repeat(1000)),
      { name: "p", type: "fifo", mode: 0o644 } as const,
    ].map((member): TarFile => ({ modifiedAt: THEN, ...member }));
    const mounts = await bed.prepare("a");
    await bed.apply(mounts, files);
    const layer = await diff([], mounts);
    assert.equal(layer.digest, digestOf(await bytesOf(writeTar(files))));
  });

  it("are packed as asked, labelled with what they unpack to, and held by the lease", async () => {
    const mounts = await bed.prepare("a");
    await bed.apply(mounts, [file("foo", "foo".repeat(1000))]);
    const readsZstd = "createZstdDecompress" in zlib;
    const types = [MEDIA_TYPE_LAYER_GZIP, ...(bed.subject.writesZstd && readsZstd ? [MEDIA_TYPE_LAYER_ZSTD] : [])];
    const plain = await diff([], mounts);
    for (const mediaType of types) {
      const ref = `layer ${mediaType}`;
      const layer = await diff([], mounts, mediaType, { ref, labels: { mine: "1" } });
      assert.equal(layer.mediaType, mediaType);
      const info = await content().info(layer.digest);
      assert.equal(info.size, layer.size);
      assert.deepEqual(info.labels, { mine: "1", "containerd.io/uncompressed": plain.digest });
      await assert.rejects(content().status(ref), isNotFound);
      const unpacked = await bytesOf(decompress(content().read(layer)));
      assert.equal(digestOf(unpacked), plain.digest);
      const held = await all(bed.subject.client.leases.resources(bed.call.lease));
      assert.ok(held.some(({ type, id }) => type === "content" && id === layer.digest));
    }
    assert.equal((await diffs().diff([], mounts, bed.call)).mediaType, MEDIA_TYPE_LAYER_GZIP);
    for (const type of ["text/plain", "application/vnd.docker.image.rootfs.diff.tar.gzip"]) {
      await assert.rejects(diff([], mounts, type), (reason) => {
        assert.ok(isNotImplemented(reason), String(reason));
        assert.match(reason.message, /^unsupported diff media type/);
        return true;
      });
    }
  });

  it("are written anew where an earlier attempt left something", async () => {
    const mounts = await bed.prepare("a");
    await bed.apply(mounts, [file("foo", "foo")]);
    const first = await diff([], mounts);
    {
      await using writer = await content().writer("left", bed.call);
      await writer.write(Buffer.from("half of something else"));
    }
    assert.deepEqual(await diff([], mounts, MEDIA_TYPE_LAYER, { ref: "left" }), first);
    assert.equal(digestOf(await readBlob(content(), first)), first.digest);
  });

  for (const [what, change] of Object.entries(changes)) {
    it(`bring ${what} to another snapshot`, async () => {
      await bed.committed("base", "", everything);
      const upper = await bed.prepare("upper", "base");
      await bed.change(upper, change);
      const layer = await diff(await bed.view("lower", "base"), upper);
      const again = await bed.prepare("again", "base");
      await diffs().apply(layer, again, bed.call);
      const expected = await bed.files(upper);
      assert.deepEqual(await bed.files(again), expected);
      assert.equal(isDeepStrictEqual(expected, await bed.filesOf("base")), what === "nothing");
      await bed.commit("changed", "upper");
      assert.deepEqual(await bed.filesOf("changed"), expected);
      await assert.rejects(bed.prepare("again", "changed"), isAlreadyExists);
    });
  }

  it("keep the times of files and directories", async () => {
    await bed.committed("1", "", [directory("d"), file("d/f", "x"), file("g", "y")]);
    const upper = await bed.prepare("upper", "1");
    await bed.change(upper, {
      script: "printf z > d/new; touch -d @1500000000 d/new d",
      layer: [
        directory("d", { modifiedAt: new Date(1_500_000_000_000) }),
        file("d/new", "z", { modifiedAt: new Date(1_500_000_000_000) }),
      ],
    });
    const layer = await diff(await bed.view("lower", "1"), upper);
    const again = await bed.prepare("again", "1");
    await diffs().apply(layer, again, bed.call);
    const times = new Map<string, number>();
    for await (const { name, modifiedAt } of readTar(content().read(await diff([], again)))) {
      times.set(name, modifiedAt.getTime() / 1000);
    }
    assert.deepEqual(Object.fromEntries(times), {
      "d/": 1_500_000_000,
      "d/f": THEN.getTime() / 1000,
      "d/new": 1_500_000_000,
      g: THEN.getTime() / 1000,
    });
  });
}
