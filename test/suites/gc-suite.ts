import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Client } from "../../src/client/client.js";
import { writeBlob } from "../../src/content/blob.js";
import { isNotFound } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { RuntimeSpecType } from "../../src/typeurl.js";
import { all, bytesOf } from "./content-bed.js";

/** What the suite runs over. */
export interface GcSubject {
  /** A namespace with nothing in it. */
  readonly client: Client;
  /** Another one of the same daemon. */
  readonly other: Client;
  /** Whether images may expire, be held and be referred to: containerd 2 and later. */
  readonly collectsImages: boolean;
  end(): Promise<void>;
}

const GC = "containerd.io/gc.";
const SNAPSHOTTER = "native";
const spec = create(AnySchema, { typeUrl: RuntimeSpecType.spec, value: Buffer.from("{}") });

/** What a garbage collector must remove, and what it must keep. */
export function gcSuite(name: string, make: () => Promise<GcSubject>): void {
  describe(name, () => {
    let subject: GcSubject;
    let client: Client;
    beforeEach(async () => {
      subject = await make();
      client = subject.client;
    });
    afterEach(() => subject.end());

    /** Writes under a lease, which goes at the end: nothing is collected while a case gets ready. */
    const ready = async <T>(act: (lease: { readonly id: string }) => Promise<T>): Promise<T> => {
      const lease = await client.leases.create();
      const made = await act(lease);
      await client.leases.delete(lease, { sync: true });
      return made;
    };
    const collect = () => ready(async () => {});
    const blob = (
      text: string,
      lease: { readonly id: string } | undefined,
      labels: Record<string, string> = {},
      on = client,
    ): Promise<Descriptor> =>
      writeBlob(
        on.content,
        Buffer.from(text),
        { mediaType: "text/plain", labels },
        lease === undefined ? {} : { lease },
      );
    const snapshot = async (
      key: string,
      parent: string,
      lease: { readonly id: string },
      labels: Record<string, string> = {},
    ) => {
      await client.snapshots(SNAPSHOTTER).prepare(`${key}-active`, parent, { lease });
      await client.snapshots(SNAPSHOTTER).commit(key, `${key}-active`, { lease, labels });
    };
    const texts = async (on = client) => {
      const found: string[] = [];
      for await (const { digest } of on.content.list()) {
        found.push((await bytesOf(on.content.read({ digest }))).toString());
      }
      return found.sort();
    };
    const keys = async () => (await all(client.snapshots(SNAPSHOTTER).list())).map((one) => one.name).sort();

    it("removes what nothing refers to, and keeps roots", async () => {
      await ready(async (lease) => {
        await blob("loose", lease);
        await blob("root", lease, { [`${GC}root`]: "2026-11-21" });
        await snapshot("loose", "", lease);
        await snapshot("base", "", lease);
        await snapshot("root", "base", lease, { [`${GC}root`]: "yes" });
      });
      assert.deepEqual(await texts(), ["root"]);
      assert.deepEqual(await keys(), ["base", "root"]);
    });

    it("follows the labels of what it keeps", async () => {
      await ready(async (lease) => {
        const leaf = await blob("leaf", lease);
        const [plain, dotted, slashed, bad] = await Promise.all(
          ["plain", "dotted", "slashed", "bad"].map((text) => blob(text, lease)),
        );
        const deep = await blob("deep", lease, { [`${GC}ref.content.l.0`]: leaf.digest });
        await snapshot("base", "", lease, { [`${GC}ref.content.of-base`]: (await blob("by base", lease)).digest });
        await snapshot("layer", "base", lease);
        await snapshot("named", "", lease);
        await snapshot("loose", "base", lease);
        await blob("root", lease, {
          [`${GC}root`]: "x",
          [`${GC}ref.content`]: plain?.digest ?? "",
          [`${GC}ref.content.0`]: dotted?.digest ?? "",
          [`${GC}ref.content/1`]: slashed?.digest ?? "",
          [`${GC}ref.content.deep`]: deep.digest,
          [`${GC}ref.contentbad`]: bad?.digest ?? "",
          [`${GC}ref.snapshot.${SNAPSHOTTER}`]: "layer",
          [`${GC}ref.snapshot.${SNAPSHOTTER}/second`]: "named",
          [`${GC}ref.content.none`]: digestOf(Buffer.from("not there")),
        });
      });
      assert.deepEqual(await texts(), ["by base", "deep", "dotted", "leaf", "plain", "root", "slashed"]);
      assert.deepEqual(await keys(), ["base", "layer", "named"]);
    });

    it("does not run in circles", async () => {
      await ready(async (lease) => {
        const one = await blob("one", lease);
        const two = await blob("two", lease, { [`${GC}ref.content`]: one.digest });
        await client.content.update(one.digest, { [`${GC}ref.content`]: two.digest });
      });
      assert.deepEqual(await texts(), []);
    });

    it("keeps what images and containers name, until they are deleted", async () => {
      await ready(async (lease) => {
        const leaf = await blob("leaf", lease);
        const target = await blob("target", lease, { [`${GC}ref.content.0`]: leaf.digest });
        await client.images.create("example.com/image:1", target, { labels: {} });
        await snapshot("base", "", lease);
        await client.snapshots(SNAPSHOTTER).prepare("rw", "base", { lease });
        await client.snapshots(SNAPSHOTTER).prepare("sibling", "base", { lease });
        const named = await blob("named", lease);
        await client.containers.register({
          id: "c1",
          spec,
          runtime: { name: "io.containerd.runc.v2" },
          snapshotter: SNAPSHOTTER,
          snapshotKey: "rw",
          labels: { [`${GC}ref.content.mine`]: named.digest },
        });
      });
      assert.deepEqual(await texts(), ["leaf", "named", "target"]);
      assert.deepEqual(await keys(), ["base", "rw"]);
      await client.images.delete("example.com/image:1", { sync: true });
      assert.deepEqual(await texts(), ["named"]);
      await (await client.containers.get("c1")).delete({ snapshot: false });
      await collect();
      assert.deepEqual([await texts(), await keys()], [[], []]);
    });

    it("keeps what a lease holds with all it leads to; a flat one alone and its parents", async () => {
      for (const [labels, kept] of [
        [{}, ["by label", "by snapshot", "held"]],
        [{ [`${GC}flat`]: "true" }, ["held"]],
      ] as const) {
        const lease = await client.leases.create({ labels });
        await ready(async (short) => {
          const labelled = await blob("by label", short);
          await blob("held", lease, { [`${GC}ref.content`]: labelled.digest });
          const under = await blob("by snapshot", short);
          await snapshot("base", "", short);
          await snapshot("layer", "base", lease, { [`${GC}ref.content`]: under.digest });
          await snapshot("loose", "base", short);
        });
        assert.deepEqual(await texts(), kept);
        assert.deepEqual(await keys(), ["base", "layer"]);
        await client.leases.delete(lease, { sync: true });
        assert.deepEqual([await texts(), await keys()], [[], []]);
      }
    });

    it("drops an ingest with its lease, and keeps one without for a day", async () => {
      const lease = await client.leases.create();
      for (const [ref, call] of [
        ["leased", { lease }],
        ["free", {}],
      ] as const) {
        await using writer = await client.content.writer(ref, call);
        await writer.write(Buffer.from(ref));
      }
      const refs = async () => (await all(client.content.statuses())).map((one) => one.ref).sort();
      await collect();
      assert.deepEqual(await refs(), ["free", "leased"]);
      await client.leases.delete(lease, { sync: true });
      assert.deepEqual(await refs(), ["free"]);
      assert.equal((await client.content.status("free")).offset, 4);
    });

    it("keeps bytes of another namespace that an ingest counts on", async () => {
      const { other } = subject;
      const [lease, theirs] = [await client.leases.create(), await other.leases.create()];
      const { digest, size } = await blob("shared", theirs, {}, other);
      await using writer = await client.content.writer("late", { lease, expected: digest, size });
      assert.equal(writer.offset, size);
      await other.leases.delete(theirs, { sync: true });
      assert.deepEqual([await texts(), await texts(other)], [[], []]);
      await writer.commit();
      assert.deepEqual([await texts(), await texts(other)], [["shared"], []]);
      await client.leases.delete(lease, { sync: true });
      assert.deepEqual(await texts(), []);
    });

    it("keeps namespaces apart", async () => {
      const { other } = subject;
      const root = { [`${GC}root`]: "x" };
      await ready(async (lease) => {
        await blob("shared", lease);
        await blob("mine", lease, { [`${GC}ref.content`]: digestOf(Buffer.from("theirs")), ...root });
      });
      const theirs = await other.leases.create();
      await blob("shared", theirs, root, other);
      await blob("theirs", theirs, {}, other);
      await other.leases.delete(theirs, { sync: true });
      assert.deepEqual([await texts(), await texts(other)], [["mine"], ["shared"]]);
    });

    it("collects images that expired, and what held them", async () => {
      if (!subject.collectsImages) return;
      const past = new Date(Date.now() - 60_000).toISOString().replace(/\.\d+Z/, "Z");
      const labels = { [`${GC}expire`]: past };
      await ready(async (lease) => {
        const target = await blob("target", lease);
        await client.images.create("expired", target, { labels, lease });
        await client.images.create("never", await blob("never", lease), { labels: { [`${GC}expire`]: "some day" } });
        await client.images.create("named", await blob("named", lease), { labels, lease });
        await client.content.update((await blob("root", lease, { [`${GC}root`]: "x" })).digest, {
          [`${GC}ref.image.a`]: "named",
        });
      });
      assert.deepEqual((await all(client.images.list())).map((one) => one.name).sort(), ["named", "never"]);
      assert.deepEqual(await texts(), ["named", "never", "root"]);
      await assert.rejects(client.images.get("expired"), isNotFound);
    });
  });
}
