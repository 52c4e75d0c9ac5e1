import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { writeBlob } from "../../src/content/blob.js";
import { filter } from "../../src/content/filter.js";
import type { Store } from "../../src/content/store.js";
import { gcLabels } from "../../src/content/walk.js";
import { isAlreadyExists, isInvalidArgument, isNotFound, isNotImplemented } from "../../src/errors.js";
import type { Lease, LeaseManager } from "../../src/leases/lease.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";

/** What the suite runs over: a daemon that collects as eagerly as it can. */
export interface LeaseSubject {
  readonly leases: LeaseManager;
  readonly store: Store;
  /** Whether leases hold images, which containerd 1.x does not know. */
  readonly holdsImages: boolean;
}

const EXPIRE = "containerd.io/gc.expire";
const HOUR_MS = 3_600_000;

/** What leases must do, whatever is behind them. */
export function leaseSuite(name: string, make: () => Promise<LeaseSubject>): void {
  describe(name, () => {
    let leases: LeaseManager;
    let store: Store;
    let holdsImages: boolean;
    beforeEach(async () => {
      ({ leases, store, holdsImages } = await make());
    });
    afterEach(async () => {
      for await (const lease of leases.list()) {
        await leases.delete(lease, { sync: true }).catch((reason: unknown) => {
          // It may have ended by itself just now, and been collected with the one before.
          if (!isNotFound(reason)) throw reason;
        });
      }
    });

    const resourcesOf = async (lease: Pick<Lease, "id">) => {
      const found: string[] = [];
      for await (const { type, id } of leases.resources(lease)) found.push(`${type} ${id}`);
      return found.sort();
    };
    const idsOf = async (...filters: string[]) => {
      const found: string[] = [];
      for await (const { id } of leases.list(filters)) found.push(id);
      return found.sort();
    };
    const write = async (text: string, lease?: Pick<Lease, "id">, labels: Record<string, string> = {}) => {
      const call = lease === undefined ? {} : { lease };
      return (await writeBlob(store, Buffer.from(text), { mediaType: "text/plain", labels }, call)).digest;
    };
    /** Deleting an empty lease makes the daemon collect all that nothing holds. */
    const collect = async () => leases.delete(await leases.create(), { sync: true });
    const isThere = async (digest: Digest) => {
      try {
        await store.info(digest);
        return true;
      } catch (reason) {
        if (!isNotFound(reason)) throw reason;
        return false;
      }
    };

    it("creates, gets, lists and deletes leases", async () => {
      const one = await leases.create({ id: 'odd "id', labels: { role: "one", both: "yes" } });
      const two = await leases.create({ labels: { role: "two", both: "yes" } });
      assert.equal(one.id, 'odd "id');
      assert.notEqual(two.id, "");
      assert.ok(Math.abs(one.createdAt.getTime() - Date.now()) < 60_000);
      await assert.rejects(leases.create({ id: one.id }), isAlreadyExists);
      const { id, labels, createdAt } = await leases.get(one.id);
      assert.deepEqual([id, labels, createdAt], [one.id, one.labels, one.createdAt]);
      await assert.rejects(leases.get("none"), isNotFound);
      assert.deepEqual(await idsOf(), [one.id, two.id].sort());
      assert.deepEqual(await idsOf(filter(["id"], "==", one.id)), [one.id]);
      assert.deepEqual(await idsOf(filter(["labels", "role"], "==", "two")), [two.id]);
      assert.deepEqual(
        await idsOf(filter(["labels", "role"], "==", "two"), filter(["id"], "==", one.id)),
        [one.id, two.id].sort(),
      );
      assert.deepEqual(await idsOf(filter(["labels", "both"]), filter(["labels", "none"])), [one.id, two.id].sort());
      assert.deepEqual(await idsOf(filter(["labels", EXPIRE])), [one.id, two.id].sort());
      await assert.rejects(idsOf("labels=x"), isInvalidArgument);
      await leases.delete(one);
      await assert.rejects(leases.delete(one), isNotFound);
      assert.deepEqual(await idsOf(), [two.id]);
    });

    it("says when a lease ends by itself, never earlier than asked", async () => {
      for (const [expiresInMs, wanted] of [
        [undefined, 24 * HOUR_MS],
        [HOUR_MS, HOUR_MS],
        [1, 1],
      ] as const) {
        const before = Date.now();
        const lease = await leases.create(expiresInMs === undefined ? {} : { expiresInMs, labels: { mine: "too" } });
        const text = lease.labels[EXPIRE] ?? "";
        assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        const late = new Date(text).getTime() - before - wanted;
        assert.ok(late >= 0 && late < 60_000, `${text} is ${late} ms late`);
        assert.equal(lease.labels["mine"], expiresInMs === undefined ? undefined : "too");
      }
      for (const expiresInMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e18]) {
        await assert.rejects(leases.create({ expiresInMs }), isInvalidArgument, `${expiresInMs}`);
      }
    });

    it("ends an expired lease with the next collection", async () => {
      const lease = await leases.create({ expiresInMs: 1 });
      const digest = await write("expiring", lease);
      const ends = new Date(lease.labels[EXPIRE] ?? "").getTime();
      await new Promise((resolve) => setTimeout(resolve, ends - Date.now() + 1_000));
      await collect();
      assert.equal(await isThere(digest), false);
    });

    it("holds resources of the types there are, each once", async () => {
      const lease = await leases.create();
      const digest = digestOf(Buffer.from("not there"));
      const good = [
        { type: "content", id: digest },
        { type: "ingests", id: "some/ref" },
        ...(holdsImages ? [{ type: "images", id: "example.com/image:1" }] : []),
        { type: "snapshots/overlayfs", id: digest },
      ];
      for (const resource of [...good, ...good]) await leases.addResource(lease, resource);
      assert.deepEqual(await resourcesOf(lease), good.map(({ type, id }) => `${type} ${id}`).sort());
      for (const type of ["leases", "containers", "", ...(holdsImages ? [] : ["images"])]) {
        await assert.rejects(leases.addResource(lease, { type, id: "x" }), isNotImplemented, type);
      }
      for (const type of ["snapshots", "snapshots/overlayfs/type1"]) {
        await assert.rejects(leases.addResource(lease, { type, id: "x" }), isInvalidArgument, type);
      }
      await assert.rejects(leases.addResource(lease, { type: "content", id: "no digest" }), isInvalidArgument);
      for (const { type, id } of good.slice(1)) {
        await leases.deleteResource(lease, { type, id });
        await leases.deleteResource(lease, { type, id });
      }
      assert.deepEqual(await resourcesOf(lease), [`content ${digest}`]);
      const none = { id: "none" };
      await assert.rejects(resourcesOf(none), isNotFound);
      await assert.rejects(leases.addResource(none, { type: "content", id: digest }), isNotFound);
      await assert.rejects(leases.deleteResource(none, { type: "content", id: digest }), isNotFound);
      await assert.rejects(write("under no lease", none), isNotFound);
    });

    it("keeps content and what it refers to from the collector, until it is deleted", async () => {
      const lease = await leases.create();
      const leaf = await write("leaf", lease);
      const parent = await write("parent", lease, gcLabels([{ digest: leaf }]));
      await leases.deleteResource(lease, { type: "content", id: leaf });
      await collect();
      assert.deepEqual([await isThere(leaf), await isThere(parent)], [true, true]);
      await leases.deleteResource(lease, { type: "content", id: parent });
      await collect();
      assert.deepEqual([await isThere(leaf), await isThere(parent)], [false, false]);

      const again = await write("again", lease);
      const other = await leases.create();
      await leases.addResource(other, { type: "content", id: again });
      await leases.delete(lease, { sync: true });
      assert.equal(await isThere(again), true);
      await leases.delete(other, { sync: true });
      assert.equal(await isThere(again), false);
    });

    it("holds an ingest, then the blob it became, also one that was there already", async () => {
      const first = await leases.create();
      const writer = await store.writer("r", { lease: first });
      await writer.write(Buffer.from("bytes"));
      assert.deepEqual(await resourcesOf(first), ["ingests r"]);
      const { digest } = await writer.commit();
      assert.deepEqual(await resourcesOf(first), [`content ${digest}`]);

      const ways: Record<string, (lease: Lease) => Promise<unknown>> = {
        "commit by digest": async (lease) => {
          const late = await store.writer("late", { lease });
          await late.write(Buffer.from("bytes"));
          return late.commit({ expected: digest });
        },
        "commit of whatever it is": async (lease) => {
          const late = await store.writer("late", { lease });
          await late.write(Buffer.from("bytes"));
          return late.commit();
        },
        "bytes in memory": (lease) => write("bytes", lease),
        "a stream": async (lease) => {
          async function* stream() {
            yield Buffer.from("bytes");
          }
          return writeBlob(store, stream(), { mediaType: "x" }, { lease });
        },
        "an open that says it is there": async (lease) =>
          assert.rejects(store.writer("known", { lease, expected: digest }), isAlreadyExists),
      };
      for (const [way, act] of Object.entries(ways)) {
        const lease = await leases.create();
        await act(lease);
        assert.deepEqual(await resourcesOf(lease), [`content ${digest}`], way);
      }
      await leases.delete(first, { sync: true });
      assert.equal(await isThere(digest), true);
    });

    it("is deleted when disposed, whatever the signal says, once", async () => {
      const abort = new AbortController();
      const lease = await leases.create({ signal: abort.signal });
      const digest = await write("disposed", lease);
      abort.abort();
      await lease[Symbol.asyncDispose]();
      await lease[Symbol.asyncDispose]();
      await assert.rejects(leases.get(lease.id), isNotFound);
      await collect();
      assert.equal(await isThere(digest), false);
      {
        await using gone = await leases.create();
        await leases.delete(gone);
      }
      const reason = new Error("before it began");
      await assert.rejects(leases.create({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
      assert.deepEqual(await idsOf(), []);
    });
  });
}
