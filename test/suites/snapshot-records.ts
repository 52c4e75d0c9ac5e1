import assert from "node:assert/strict";
import { it } from "node:test";
import { Snapshots as SnapshotsService } from "../../src/api/services/snapshots/v1/snapshots_pb.js";
import {
  isAlreadyExists,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  isNotImplemented,
} from "../../src/errors.js";
import { all } from "./content-bed.js";
import { file, SNAPSHOTTER, type SnapshotBed } from "./snapshot-bed.js";

const REF = "containerd.io/snapshot.ref";
const ROOT = "containerd.io/gc.root";

/** What a snapshotter must do with its records. */
export function snapshotRecordCases(bed: SnapshotBed): void {
  const names = async (...filters: string[]) => (await all(bed.snapshots.list(filters))).map(({ name }) => name).sort();

  it("goes the way of a snapshot: prepared, filled, committed, stood on, viewed, removed", async () => {
    await bed.apply(await bed.prepare("preparing"), [file("foo", "foo\n"), file("a/b/c", "deep")]);
    await bed.commit("committed", "preparing");
    await assert.rejects(bed.snapshots.stat("preparing"), isNotFound);
    await bed.apply(await bed.prepare("next", "committed"), [file("bar", "bar\n")]);
    const next = await bed.snapshots.stat("next");
    assert.deepEqual([next.name, next.parent, next.kind], ["next", "committed", "active"]);
    await bed.commit("nextCommitted", "next");
    assert.deepEqual(await names(), ["committed", "nextCommitted"]);
    const files = Object.keys(await bed.filesOf("nextCommitted"));
    assert.deepEqual(files.sort(), ["a", "a/b", "a/b/c", "bar", "foo"]);
    await assert.rejects(bed.snapshots.remove("committed"), (reason) => {
      assert.ok(isFailedPrecondition(reason));
      assert.match(reason.message, /remove/);
      return true;
    });
    await bed.snapshots.remove("nextCommitted");
    await bed.snapshots.remove("committed");
    assert.deepEqual(await names(), []);
  });

  it("tells what is known of active snapshots, views and committed ones", async () => {
    const before = Date.now() - 1000;
    await bed.prepare("base", "", { a: "1" });
    const base = await bed.snapshots.stat("base");
    assert.deepEqual([base.kind, base.parent, base.labels], ["active", undefined, { a: "1" }]);
    assert.ok(base.createdAt.getTime() > before && base.createdAt.getTime() <= Date.now());
    await bed.commit("first", "base", { b: "2" });
    const first = await bed.snapshots.stat("first");
    assert.deepEqual([first.kind, first.parent, first.labels], ["committed", undefined, { b: "2" }]);
    await bed.view("look", "first");
    await bed.prepare("work", "first");
    assert.deepEqual((await bed.snapshots.stat("look")).kind, "view");
    assert.deepEqual((await bed.snapshots.stat("look")).parent, "first");
    await bed.commit("second", "work");
    await bed.prepare("third", "second");
    const chain = await Promise.all(["third", "second", "first"].map((key) => bed.snapshots.stat(key)));
    assert.deepEqual(
      chain.map(({ parent }) => parent),
      ["second", "first", undefined],
    );
  });

  it("hands out mounts of active snapshots and views, and of no others", async () => {
    const written = await bed.prepare("a");
    assert.deepEqual(await bed.snapshots.mounts("a"), written);
    const options = (mounts: typeof written) => mounts.flatMap((mount) => mount.options);
    assert.ok(!options(written).includes("ro"));
    await bed.commit("c", "a");
    await assert.rejects(bed.snapshots.mounts("c"), isFailedPrecondition);
    const viewed = await bed.view("v", "c");
    assert.ok(options(viewed).includes("ro"));
    assert.deepEqual(await bed.snapshots.mounts("v"), viewed);
    assert.ok(options(await bed.view("nothing")).includes("ro"));
  });

  it("gives a key once, to whatever kind of snapshot", async () => {
    await bed.prepare("p");
    await bed.view("v");
    for (const key of ["p", "v"]) {
      await assert.rejects(bed.prepare(key), isAlreadyExists);
      await assert.rejects(bed.view(key), isAlreadyExists);
    }
    const both = await Promise.allSettled([bed.prepare("same"), bed.prepare("same"), bed.view("same")]);
    assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
    await bed.commit("c", "p");
    await bed.prepare("q", "c");
    for (const name of ["c", "q", "v"]) await assert.rejects(bed.commit(name, "q"), isAlreadyExists);
  });

  it("changes labels as the mask says, and nothing else", async () => {
    const { rpc } = bed.subject;
    const labels = { l1: "1", l2: "2", l3: "3" };
    await bed.prepare("making", "", labels);
    await bed.commit("c", "making", labels);
    await bed.prepare("a", "c", labels);
    await bed.view("v", "c", labels);
    const update = async (name: string, changed: Record<string, string>, paths: readonly string[] = []) => {
      const info = { name, parent: "elsewhere", labels: changed };
      const mask = paths.length === 0 ? {} : { updateMask: { paths: [...paths] } };
      const reply = await rpc.unary(SnapshotsService.method.update, { snapshotter: SNAPSHOTTER, info, ...mask }, {});
      const read = await bed.snapshots.stat(name);
      assert.deepEqual(read.labels, reply.info?.labels);
      return read;
    };
    for (const name of ["c", "a", "v"]) {
      const before = await bed.snapshots.stat(name);
      const one = await update(name, { l1: "x", l3: "ignored" }, ["labels.l1", "labels.l2"]);
      assert.deepEqual(one.labels, { l1: "x", l3: "3" });
      assert.deepEqual((await update(name, { n: "1" }, ["labels"])).labels, { n: "1" });
      const whole = await update(name, { m: "1", empty: "" });
      assert.deepEqual(whole.labels, { m: "1" });
      assert.deepEqual([whole.parent, whole.kind], [before.parent, before.kind]);
      assert.deepEqual(whole.createdAt, before.createdAt);
      assert.ok(whole.updatedAt >= before.updatedAt);
      await assert.rejects(update(name, {}, ["parent"]), isInvalidArgument);
      assert.deepEqual((await bed.snapshots.stat(name)).labels, { m: "1" });
    }
    assert.deepEqual((await bed.snapshots.setLabels("a", { m: null, "with.dots/and": "y" })).labels, {
      "with.dots/and": "y",
    });
  });

  it("frees names with the snapshots that had them", async () => {
    await bed.committed("c", "", [file("one")]);
    await bed.snapshots.remove("c");
    await assert.rejects(bed.snapshots.stat("c"), isNotFound);
    await bed.committed("c", "", [file("two")]);
    assert.deepEqual(Object.keys(await bed.filesOf("c")), ["two"]);
    for (const make of [() => bed.prepare("k", "c"), () => bed.view("k", "c"), () => bed.prepare("k")]) {
      await make();
      await bed.snapshots.remove("k");
    }
    await bed.prepare("k", "c");
    await bed.commit("d", "k");
    await bed.view("k", "d");
    assert.deepEqual(await names(), ["c", "d", "k"]);
  });

  it("refuses to remove what lies between others", async () => {
    await bed.committed("bottom", "", [file("b")]);
    await bed.committed("middle", "bottom", [file("m")]);
    await bed.prepare("top", "middle");
    for (const name of ["bottom", "middle"]) await assert.rejects(bed.snapshots.remove(name), isFailedPrecondition);
    await bed.snapshots.remove("top");
    await assert.rejects(bed.snapshots.remove("bottom"), isFailedPrecondition);
    await bed.snapshots.remove("middle");
    await bed.snapshots.remove("bottom");
    assert.deepEqual(await names(), []);
  });

  it("lists by name, parent, kind and labels", async () => {
    await bed.prepare("making", "");
    await bed.commit("c", "making", { "ends.with/c": "y" });
    await bed.prepare("a1", "c", { role: "one" });
    await bed.prepare("a2", "c", { role: "two" });
    await bed.view("v", "c", { role: "one" });
    assert.deepEqual(await names(), ["a1", "a2", "c", "v"]);
    assert.deepEqual(await names("kind==active"), ["a1", "a2"]);
    assert.deepEqual(await names("kind==view"), ["v"]);
    assert.deepEqual(await names("kind==committed"), ["c"]);
    assert.deepEqual(await names("kind==Committed"), []);
    assert.deepEqual(await names("parent==c"), ["a1", "a2", "v"]);
    assert.deepEqual(await names("name~=^a"), ["a1", "a2"]);
    assert.deepEqual(await names("labels.role==one"), ["a1", "v"]);
    assert.deepEqual(await names("labels.role==one,kind==view"), ["v"]);
    assert.deepEqual(await names("labels.role==two", "name==c"), ["a2", "c"]);
    assert.deepEqual(await names('labels."ends.with/c"'), ["c"]);
    assert.deepEqual(await names("nothing==x"), []);
    const seen: string[] = [];
    for await (const info of bed.snapshots.list()) {
      assert.deepEqual(await bed.snapshots.stat(info.name), info);
      seen.push(info.name);
    }
    assert.equal(seen.length, 4);
    assert.deepEqual(await all(bed.subject.client.snapshots("native").list()), []);
  });

  it("tells who makes the same layer that it is there", async () => {
    await bed.prepare("first", "", { [REF]: "target" });
    await bed.prepare("second", "", { [REF]: "target" });
    await bed.commit("target", "first");
    await assert.rejects(bed.prepare("third", "", { [REF]: "target" }), (reason) => {
      assert.ok(isAlreadyExists(reason));
      assert.match(reason.message, /^target snapshot "target"/);
      return true;
    });
    await assert.rejects(bed.commit("target", "second"), isAlreadyExists);
    await assert.rejects(bed.snapshots.stat("third"), isNotFound);
  });

  it("keeps namespaces apart", async () => {
    const theirs = bed.subject.other.snapshots(SNAPSHOTTER);
    const lease = await bed.subject.other.leases.create();
    await bed.committed("c", "", [file("mine")]);
    await assert.rejects(theirs.stat("c"), isNotFound);
    await assert.rejects(theirs.prepare("k", "c", { lease }), isNotFound);
    await theirs.prepare("k", "", { lease });
    await theirs.commit("c", "k", { lease });
    await theirs.prepare("on theirs", "c", { lease });
    await bed.snapshots.remove("c");
    assert.deepEqual((await all(theirs.list())).map(({ name }) => name).sort(), ["c", "on theirs"]);
    await bed.subject.other.leases.delete(lease, { sync: true });
    assert.deepEqual(await all(theirs.list()), []);
  });

  it("leaves to the collector what no lease, label or child holds", async () => {
    const { client } = bed.subject;
    const lease = await client.leases.create();
    const collect = async () => client.leases.delete(await client.leases.create(), { sync: true });
    const resources = async () =>
      (await all(client.leases.resources(lease))).map(({ type, id }) => `${type} ${id}`).sort();
    await bed.snapshots.prepare("below", "", { lease });
    assert.deepEqual(await resources(), ["snapshots/overlayfs below"]);
    await bed.snapshots.commit("c", "below", { lease });
    assert.deepEqual(await resources(), ["snapshots/overlayfs c"]);
    await bed.snapshots.prepare("kept", "c", { lease, labels: { [ROOT]: "yes" } });
    await bed.snapshots.prepare("gone", "c", { lease });
    await collect();
    assert.deepEqual(await names(), ["c", "gone", "kept"]);
    await client.leases.delete(lease, { sync: true });
    assert.deepEqual(await names(), ["c", "kept"]);
    await bed.snapshots.setLabels("kept", { [ROOT]: null });
    await collect();
    assert.deepEqual(await names(), []);
  });

  it("tells of what is prepared, committed and removed", async () => {
    const { client } = bed.subject;
    const stop = new AbortController();
    const seen: string[] = [];
    const events = client.events(["/snapshot/prepare", "/snapshot/commit", "/snapshot/remove"], {
      signal: stop.signal,
    });
    const done = (async () => {
      for await (const { topic, payload } of events) {
        const { key, name = "", parent = "" } = payload as { key: string; name?: string; parent?: string };
        seen.push([topic, key, name, parent].join(" "));
        if (topic === "/snapshot/remove" && key === "v") return;
      }
    })();
    while (seen.length === 0) {
      await bed.prepare("begin");
      await bed.snapshots.remove("begin");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await bed.prepare("a");
    await bed.commit("c", "a");
    await bed.prepare("b", "c");
    await bed.view("v", "c");
    await bed.snapshots.remove("b");
    await bed.snapshots.remove("v");
    await done;
    stop.abort();
    assert.deepEqual(
      seen.filter((line) => !line.includes("begin")),
      [
        "/snapshot/prepare a  ",
        "/snapshot/commit a c ",
        "/snapshot/prepare b  c",
        "/snapshot/remove b  ",
        "/snapshot/remove v  ",
      ],
    );
  });

  it("cleans up as often as it is asked, if at all, and removes nothing that is there", async () => {
    await bed.committed("c", "", [file("x")]);
    await bed.prepare("a", "c");
    const cleanup = () => bed.subject.rpc.unary(SnapshotsService.method.cleanup, { snapshotter: SNAPSHOTTER }, {});
    for (const answer of await Promise.allSettled([cleanup(), cleanup()])) {
      // containerd keeps a record of what it removes, and has nothing to clean up by itself.
      if (answer.status === "rejected") assert.ok(isNotImplemented(answer.reason), String(answer.reason));
    }
    assert.deepEqual(await names(), ["a", "c"]);
    assert.deepEqual(Object.keys(await bed.filesOf("c")), ["x"]);
  });
}
