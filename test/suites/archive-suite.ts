import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type ExportArchiveOptions, exportArchive } from "../../src/content/archive/export.js";
import type { ArchiveImage } from "../../src/content/archive/image-name.js";
import { type ImportArchiveOptions, importArchive } from "../../src/content/archive/import.js";
import { children } from "../../src/content/documents.js";
import { MemoryStore } from "../../src/content/memory.js";
import type { Store } from "../../src/content/store.js";
import { gcLabels, walk } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { readTar } from "../../src/tar/tar.js";
import { amd64, arm64, Graphs } from "../content/graphs.js";
import { all, bytesOf, ContentBed, type ContentSubject, code } from "./content-bed.js";

/** What import and export of archives owe to any store; each case gets one with nothing in it. */
export function archiveSuite(name: string, make: () => Promise<ContentSubject>): void {
  describe(`archives: ${name}`, () => {
    const bed = new ContentBed(make);
    const origin = new MemoryStore();
    const graphs = new Graphs(origin);
    const images: Record<string, Descriptor> = {};
    before(async () => {
      const multi = await graphs.multi("multi");
      Object.assign(images, {
        single: await graphs.image("single"),
        multi,
        docker: await graphs.multi("docker", true),
        nested: await graphs.index([multi, await graphs.image("beside")]),
        checkpoint: await graphs.checkpoint("checkpoint", multi, { "org.opencontainers.image.ref.name": "base:1" }),
      });
    });
    beforeEach(() => bed.begin());
    afterEach(() => bed.end());
    after(() => {});

    const target = (kind: string): Descriptor => images[kind] as Descriptor;
    const exported = (named: readonly ArchiveImage[], options?: ExportArchiveOptions) =>
      bytesOf(exportArchive(origin, named, options));
    const imported = (bytes: Uint8Array, options: ImportArchiveOptions = {}) =>
      importArchive(bed.store, inChunks(bytes), { ...options, ...bed.call });

    for (const kind of ["single", "multi", "docker", "nested", "checkpoint"]) {
      it(`carries an image of the kind "${kind}": every digest, and labels that keep it`, async () => {
        const archive = await exported([{ name: `example.org/${kind}:1`, target: target(kind) }]);
        assert.deepEqual(await imported(archive), [
          { target: target(kind), name: `example.org/${kind}:1`, refName: "1" },
        ]);
        await assertSame(origin, bed.store, target(kind));
        assert.deepEqual(
          await bytesOf(exportArchive(bed.store, [{ name: `example.org/${kind}:1`, target: target(kind) }])),
          archive,
        );
        await assertNoIngests(bed.store);
      });
    }

    it("carries several images, those with two names too, and shared blobs once", async () => {
      const named = [
        { name: "example.org/a:1", target: target("multi") },
        { name: "example.org/b:2", target: target("multi") },
        { name: "example.org/c:frozen", target: target("checkpoint") },
        { target: target("single") },
      ];
      const archive = await exported(named);
      const members = (await all(readTar(inChunks(archive)))).map((one) => one.name);
      assert.equal(new Set(members).size, members.length);
      const names = (await imported(archive)).map((one) => one.name);
      assert.deepEqual(names, ["example.org/a:1", "example.org/b:2", "example.org/c:frozen", undefined]);
    });

    it("takes what is packed, and blobs that come before the index", async () => {
      const archive = await exported([{ name: "example.org/x:1", target: target("multi") }]);
      await imported(gzipSync(archive));
      await assertSame(origin, bed.store, target("multi"));
      await bed.end();
      await bed.begin();
      await imported(await rearranged(archive, (members) => members.toReversed()));
      await assertSame(origin, bed.store, target("multi"));
    });

    it("takes one platform of an archive of two, and keeps nothing of the other", async () => {
      const [root] = [target("multi")];
      await imported(await exported([{ target: root }]), { platforms: [arm64] });
      const bytes = Buffer.concat(await all(origin.read(root)));
      const [first, second] = children(bytes, root);
      assert.ok(first && second);
      assert.deepEqual((await bed.store.info(root.digest)).labels, { "containerd.io/gc.ref.content.1": second.digest });
      await assertSame(origin, bed.store, second);
      if (bed.call.lease === undefined) await assert.rejects(bed.store.info(first.digest), code("not_found"));
    });

    it("refuses an archive of which a blob is missing, unless that is passed over; then the other platform is whole", async () => {
      const archive = await exported([{ target: target("checkpoint") }], { platforms: [amd64] });
      await assert.rejects(imported(archive), code("not_found"));
      await assertEmpty(bed);
      await imported(archive, { skipMissing: true });
      assert.equal(Object.keys((await bed.store.info(target("checkpoint").digest)).labels).length, 4);
    });

    it("goes on where an earlier attempt stopped, in the middle of a blob", async () => {
      const root = await graphs.multi(randomUUID());
      const archive = await exported([{ target: root }]);
      const cut = archive.subarray(0, archive.length - 20_000);
      await assert.rejects(imported(cut, { resume: true }), code("data_loss"));
      const there = (await all(bed.store.list())).map((one) => one.digest);
      assert.ok(there.length >= 4, `${there.length} blobs were kept`);
      const [begun, ...others] = await all(bed.store.statuses());
      assert.ok(begun !== undefined && begun.offset > 0, "nothing was kept of the blob under way");
      assert.deepEqual(others, []);
      await imported(archive, { resume: true });
      await assertSame(origin, bed.store, root);
      await assertNoIngests(bed.store);
    });

    for (const [what, more] of Object.entries({ fewer: -60_000, "as many": 0, more: 1 })) {
      it(`begins anew where an earlier attempt left ${what} other bytes`, async () => {
        // Bytes that nobody else has: a daemon takes these for what an earlier attempt left.
        const root = await graphs.image(randomUUID());
        const archive = await exported([{ target: root }]);
        const blob = (await all(walk(origin, root))).at(-1)?.descriptor;
        assert.ok(blob);
        await using writer = await bed.open(`import-${blob.digest}`);
        await writer.write(Buffer.alloc(blob.size + more, "?"));
        await writer[Symbol.asyncDispose]();
        if (more <= 0) await assert.rejects(imported(archive, { resume: true }), code("data_loss"));
        await imported(archive, { resume: true });
        await assertSame(origin, bed.store, root);
        await assertNoIngests(bed.store);
      });
    }

    it("checks the bytes also of what is there already", async () => {
      const archive = await exported([{ target: target("single") }]);
      await imported(archive);
      const broken = Buffer.from(archive);
      broken.write("?", archive.length - 20_000);
      await assert.rejects(imported(broken), code("data_loss"));
      await assertSame(origin, bed.store, target("single"));
    });

    it("stops when the caller does not want to wait any more, and leaves nothing", async () => {
      const archive = await exported([{ target: target("multi") }]);
      const stop = new AbortController();
      let isClosed = false;
      async function* hanging(): AsyncGenerator<Uint8Array, void, undefined> {
        try {
          yield archive.subarray(0, archive.length - 90_000);
          stop.abort(new Error("enough"));
          await new Promise(() => {});
        } finally {
          isClosed = true;
        }
      }
      const call = { ...bed.call, signal: stop.signal };
      await assert.rejects(importArchive(bed.store, hanging(), call), new Error("enough"));
      assert.ok(!isClosed, "what hangs cannot be closed");
      await assertEmpty(bed);
    });
  });
}

/** Everything below `root` is in both stores, and in the second one labelled. */
export async function assertSame(from: Store, to: Store, root: Descriptor): Promise<void> {
  for await (const { descriptor } of walk(from, root)) {
    const bytes = await bytesOf(from.read(descriptor));
    assert.deepEqual(await bytesOf(to.read(descriptor)), bytes);
    const { labels } = await to.info(descriptor.digest);
    for (const [label, value] of Object.entries(gcLabels(children(bytes, descriptor))))
      assert.equal(labels[label], value);
  }
}

async function assertNoIngests(store: Store): Promise<void> {
  assert.deepEqual(await all(store.statuses()), []);
}

/** Without a lease nothing that came is left; with one it is the collector's. */
async function assertEmpty({ store, call }: ContentBed): Promise<void> {
  await assertNoIngests(store);
  if (call.lease === undefined) assert.deepEqual(await all(store.list()), []);
}

export async function* inChunks(bytes: Uint8Array, size = 10_000): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The same archive with its members, headers and all, in another order. */
export async function rearranged(
  archive: Uint8Array,
  change: (members: readonly Uint8Array[]) => readonly Uint8Array[],
): Promise<Uint8Array> {
  const members: Uint8Array[] = [];
  let start = 0;
  for (let at = 0; archive[at] !== 0; ) {
    const header = Buffer.from(archive.subarray(at, at + 512));
    const size = Number.parseInt(header.toString("latin1", 124, 135), 8);
    at += 512 + Math.ceil(size / 512) * 512;
    if (header[156] === 0x78) continue;
    members.push(archive.subarray(start, at));
    start = at;
  }
  return Buffer.concat([...change(members), new Uint8Array(1024)]);
}
