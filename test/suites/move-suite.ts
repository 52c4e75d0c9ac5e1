import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { exportArchive } from "../../src/content/archive/export.js";
import { MemoryStore } from "../../src/content/memory.js";
import { walk } from "../../src/content/walk.js";
import type { Client } from "../../src/index.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { readTar } from "../../src/tar/tar.js";
import { amd64, arm64, Graphs } from "../content/graphs.js";
import { assertSame, inChunks } from "./archive-suite.js";
import { all, bytesOf, code } from "./content-bed.js";

/** What the suite runs over: two namespaces with nothing in them, of one daemon or of two. */
export interface MoveSubject {
  readonly from: Client;
  readonly to: Client;
  /** Puts everything away. */
  end(): Promise<void>;
}

/** Has the garbage collected, and waits for it. */
async function collect(client: Client): Promise<void> {
  await client.leases.delete(await client.leases.create(), { sync: true });
}

/** What images owe to those who move them, whatever serves the client. */
export function moveSuite(name: string, make: () => Promise<MoveSubject>): void {
  describe(`moving images: ${name}`, () => {
    let subject: MoveSubject;
    let from: Client;
    let to: Client;
    beforeEach(async () => {
      subject = await make();
      ({ from, to } = subject);
    });
    afterEach(() => subject.end());

    /** Makes an image at the origin. */
    const made = async (ref: string, write: (graphs: Graphs) => Promise<Descriptor>): Promise<Descriptor> => {
      await using lease = await from.leases.create();
      const target = await write(new Graphs(from.content, { lease }));
      await from.images.create(ref, target, { lease });
      return target;
    };
    const assertNothing = async (client: Client): Promise<void> => {
      await collect(client);
      assert.deepEqual(await all(client.leases.list()), []);
      assert.deepEqual(await all(client.content.statuses()), []);
      assert.deepEqual(await all(client.images.list()), []);
      assert.deepEqual(await all(client.content.list()), []);
    };
    const ways: Record<string, (ref: string) => Promise<unknown>> = {
      "as an archive": (ref) => to.images.import(from.images.export(ref)),
      directly: (ref) => to.images.copyFrom(from, ref),
    };

    for (const [way, move] of Object.entries(ways)) {
      it(`moves ${way}, and the collector leaves all of it and nothing else`, async () => {
        const target = await made("example.org/x:1", (graphs) => graphs.image("x"));
        await move("example.org/x:1");
        await collect(to);
        await assertSame(from.content, to.content, target);
        assert.equal((await all(to.content.list())).length, 4);
        assert.deepEqual((await to.images.get("example.org/x:1")).target, target);
        assert.deepEqual(await all(to.leases.list()), []);
        assert.deepEqual(await all(from.leases.list()), []);
        await to.images.delete("example.org/x:1", { sync: true });
        await assertNothing(to);
      });

      it(`moves a checkpoint ${way}, with the base image that is part of it`, async () => {
        const target = await made("c:frozen", async (graphs) => graphs.checkpoint("c", await graphs.multi("base")));
        await move("c:frozen");
        await collect(to);
        assert.deepEqual((await to.images.get("c:frozen")).target, target);
        // Two documents, three parts, and config and layers of the one platform.
        assert.equal((await all(to.content.list())).length, 1 + 3 + 1 + 4);
        await to.images.delete("c:frozen", { sync: true });
        await assertNothing(to);
      });

      it(`moves a checkpoint ${way}, with the base image that it only names by its digest`, async () => {
        const base = await made("example.org/base:1", (graphs) => graphs.image("base"));
        const annotations = {
          "org.opencontainers.image.ref.name": "example.org/base:1",
          "containerd-client.checkpoint.image.digest": base.digest,
        };
        await made("c:frozen", (graphs) => graphs.checkpoint("c", undefined, annotations));
        await move("c:frozen");
        await collect(to);
        const found = await all(to.images.list([`target.digest==${base.digest}`]));
        assert.deepEqual(
          found.map((one) => one.name),
          [`example.org/base@${base.digest}`],
        );
        await assertSame(from.content, to.content, base);
      });

      it(`refuses to move ${way} over a name that stands for something else`, async () => {
        await made("example.org/x:1", (graphs) => graphs.image("x"));
        await move("example.org/x:1");
        await move("example.org/x:1");
        await from.images.delete("example.org/x:1");
        const other = await made("example.org/x:1", (graphs) => graphs.image("other"));
        await assert.rejects(move("example.org/x:1"), code("already_exists"));
        await collect(to);
        await assert.rejects(to.content.info(other.digest), code("not_found"));
        assert.equal((await all(to.content.list())).length, 4);
      });
    }

    it("points a taken name at what arrives when that is allowed", async () => {
      await made("example.org/x:1", (graphs) => graphs.image("x"));
      await to.images.copyFrom(from, "example.org/x:1", { labels: { kept: "yes" } });
      const other = await made("example.org/y:1", (graphs) => graphs.image("y"));
      const archive = await bytesOf(from.images.export("example.org/y:1"));
      const options = { name: "example.org/x:1", overwrite: true };
      const [image] = await to.images.import(inChunks(archive), options);
      assert.equal(image?.target.digest, other.digest);
      assert.deepEqual((await to.images.get("example.org/x:1")).labels, { kept: "yes" });
      await collect(to);
      assert.equal((await all(to.content.list())).length, 4);
      const [labelled] = await to.images.import(inChunks(archive), { ...options, labels: { more: "too" } });
      assert.deepEqual(labelled?.labels, { kept: "yes", more: "too" });
    });

    it("moves several images at once, all of them or none", async () => {
      await made("example.org/a:1", (graphs) => graphs.image("a"));
      await made("example.org/b:1", (graphs) => graphs.image("b"));
      const both = ["example.org/a:1", "example.org/b:1"];
      const names = (await to.images.import(from.images.export(both))).map((one) => one.name);
      assert.deepEqual(names, both);
      await to.images.delete("example.org/a:1");
      await from.images.delete("example.org/b:1");
      await made("example.org/b:1", (graphs) => graphs.image("other"));
      await assert.rejects(to.images.copyFrom(from, both), code("already_exists"));
      assert.deepEqual(
        (await all(to.images.list())).map((one) => one.name),
        ["example.org/b:1"],
      );
    });

    it("names what has no name, or another one", async () => {
      const target = await made("x:1", (graphs) => graphs.image("x"));
      const unnamed = new MemoryStore();
      const other = await new Graphs(unnamed).image("x");
      assert.deepEqual(other, target);
      await to.images.copyFrom(unnamed, [{ name: "given:1", target }]);
      const archive = await bytesOf(from.images.export("x:1"));
      const [given] = await to.images.import(inChunks(archive), { name: "example.org/other:2" });
      assert.equal(given?.name, "example.org/other:2");
      const nameless = await bytesOf(exportArchive(unnamed, [{ target }]));
      await assert.rejects(to.images.import(inChunks(nameless)), code("invalid_argument"));
      const [prefixed] = await to.images.import(inChunks(nameless), { prefix: "example.org/p" });
      assert.equal(prefixed?.name, `example.org/p@${target.digest}`);
      const [whole] = await to.images.import(inChunks(archive), { name: "example.org/whole:1", asIndex: true });
      assert.ok(whole);
      assert.deepEqual((await all(walk(to.content, whole.target))).length, 5);
      const several = await bytesOf(exportArchive(unnamed, [{ target }, { target, name: "y:1" }]));
      await assert.rejects(to.images.import(inChunks(several), { name: "z:1" }), code("invalid_argument"));
    });

    it("takes the platforms that are named, and refuses what is not there", async () => {
      await made("m:1", (graphs) => graphs.multi("m"));
      const blobsOf = async (...options: Parameters<typeof from.images.export>) =>
        (await all(readTar(from.images.export(...options)))).filter(({ name }) => name.startsWith("blobs/")).length;
      assert.equal(await blobsOf("m:1", { platforms: [amd64] }), 5);
      assert.equal(await blobsOf("m:1", { platforms: [amd64, arm64] }), 9);
      assert.equal(await blobsOf("m:1", { platforms: "all" }), 9);
      const strange = { os: "plan9", architecture: "riscv64" };
      await assert.rejects(bytesOf(from.images.export("m:1", { platforms: [strange] })), code("not_found"));
      await assert.rejects(to.images.copyFrom(from, "m:1", { platforms: [strange] }), code("not_found"));
      await assert.rejects(bytesOf(from.images.export("nothing:1")), code("not_found"));
      await assertNothing(to);
      await to.images.copyFrom(from, "m:1", { platforms: [arm64] });
      await collect(to);
      assert.equal((await all(to.content.list())).length, 5);
      await to.images.copyFrom(from, "m:1", { platforms: [amd64] });
      await collect(to);
      assert.equal((await all(to.content.list())).length, 9);
    });

    it("leaves a checkpoint's base image out when asked, and keeps what is there of it", async () => {
      const target = await made("c:frozen", async (graphs) => graphs.checkpoint("c", await graphs.image("base")));
      const archive = await bytesOf(from.images.export("c:frozen", { baseImage: false }));
      await assert.rejects(to.images.import(inChunks(archive)), code("not_found"));
      await assertNothing(to);
      await to.images.import(inChunks(archive), { skipMissing: true });
      assert.equal((await all(to.content.list())).length, 4);
      await to.images.copyFrom(from, "c:frozen");
      await assertSame(from.content, to.content, target);
      await to.images.delete("c:frozen", { sync: true });
      await to.images.copyFrom(from, "c:frozen", { baseImage: false });
      await collect(to);
      assert.equal((await all(to.content.list())).length, 4);
    });

    it("leaves nothing of an archive that is damaged, cut off, or not wanted any more", async () => {
      await made("x:1", (graphs) => graphs.image("x"));
      const archive = await bytesOf(from.images.export("x:1"));
      const broken = Buffer.from(archive);
      broken[archive.length - 20_000] = 1;
      await assert.rejects(to.images.import(inChunks(broken)), code("data_loss"));
      await assertNothing(to);
      await assert.rejects(to.images.import(inChunks(archive.subarray(0, -20_000))), code("data_loss"));
      await assertNothing(to);
      const stop = new AbortController();
      const options = { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) };
      await assert.rejects(to.images.import(inChunks(archive), options), new Error("enough"));
      await assertNothing(to);
      async function* stalled(): AsyncGenerator<Uint8Array, void, undefined> {
        yield archive.subarray(0, 40_000);
        await new Promise(() => {});
      }
      await assert.rejects(to.images.import(stalled(), { timeoutMs: 300 }), code("deadline_exceeded"));
      await assertNothing(to);
      const again = new AbortController();
      const stopped = { signal: again.signal, onProgress: () => again.abort(new Error("enough")) };
      await assert.rejects(to.images.copyFrom(from, "x:1", stopped), new Error("enough"));
      await assertNothing(to);
    });

    it("goes on where an attempt with the same lease stopped", async () => {
      await made("x:1", (graphs) => graphs.image("x"));
      const archive = await bytesOf(from.images.export("x:1"));
      await assert.rejects(to.images.import(inChunks(archive), { resume: true }), code("invalid_argument"));
      const lease = await to.leases.create();
      const cut = archive.subarray(0, archive.length - 30_000);
      await assert.rejects(to.images.import(inChunks(cut), { resume: true, lease }), code("data_loss"));
      const kept = (await all(to.content.list())).length;
      assert.ok(kept >= 2, `${kept} blobs were kept`);
      await to.images.import(inChunks(archive), { resume: true, lease });
      await to.leases.delete(lease, { sync: true });
      assert.equal((await all(to.content.list())).length, 4);
      assert.deepEqual(await all(to.content.statuses()), []);
    });

    it("exports what was deleted since it began", async () => {
      const target = await made("x:1", (graphs) => graphs.image("x"));
      const chunks = from.images.export("x:1")[Symbol.asyncIterator]();
      const first = await chunks.next();
      await from.images.delete("x:1", { sync: true });
      async function* rest(): AsyncGenerator<Uint8Array, void, undefined> {
        if (!first.done) yield first.value;
        for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
      }
      const [image] = await to.images.import(rest());
      assert.equal(image?.target.digest, target.digest);
      await assertNothing(from);
    });
  });
}
