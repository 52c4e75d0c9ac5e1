import assert from "node:assert/strict";
import { it } from "node:test";
import { Snapshots as SnapshotsService } from "../../src/api/services/snapshots/v1/snapshots_pb.js";
import { isAlreadyExists, isFailedPrecondition, isInvalidArgument, isNotFound } from "../../src/errors.js";
import { all } from "./content-bed.js";
import type { SnapshotBed } from "./snapshot-bed.js";

/** What a snapshotter must not do, and how it must say so. */
export function snapshotRefusalCases(bed: SnapshotBed): void {
  it("refuses what cannot be, in the daemon's words", async () => {
    const refused = async (done: Promise<unknown>, expected: (reason: unknown) => boolean, words: RegExp) =>
      assert.rejects(done, (reason) => {
        assert.ok(expected(reason), String(reason));
        assert.match((reason as Error).message, words);
        return true;
      });
    const { snapshots } = bed;
    // Of a namespace without any the daemon says that it has no such snapshotter.
    await bed.prepare("some");
    const absent = /^snapshot none does not exist/;
    await refused(snapshots.stat("none"), isNotFound, absent);
    await refused(snapshots.mounts("none"), isNotFound, absent);
    await refused(snapshots.usage("none"), isNotFound, absent);
    await refused(snapshots.remove("none"), isNotFound, absent);
    await refused(bed.commit("x", "none"), isNotFound, absent);
    await refused(snapshots.setLabels("none", { a: "b" }), isNotFound, /none.*not (exist|found)/);
    await refused(bed.prepare("k", "none"), isNotFound, /^parent snapshot none does not exist/);
    await refused(bed.view("k", "none"), isNotFound, /^parent snapshot none does not exist/);
    await refused(bed.prepare(""), () => true, /key required/);
    await bed.prepare("a");
    await refused(bed.prepare("k", "a"), isInvalidArgument, /is not committed snapshot/);
    await refused(bed.prepare("a"), isAlreadyExists, /^snapshot "a": already exists/);
    await refused(bed.commit("", "a"), () => true, /required/);
    await bed.commit("c", "a");
    await refused(bed.commit("d", "c"), isFailedPrecondition, /is not active/);
    await bed.view("v", "c");
    await refused(bed.commit("d", "v"), isFailedPrecondition, /is not active/);
    await refused(snapshots.remove("c"), isFailedPrecondition, /^cannot remove snapshot with child/);
    const { client } = bed.subject;
    await refused(client.snapshots("nowhere").stat("a"), isInvalidArgument, /^snapshotter not loaded: nowhere/);
    await refused(bed.subject.rpc.unary(SnapshotsService.method.stat, { key: "a" }, {}), isInvalidArgument, /missing/);
    const long = { l: "x".repeat(4096) };
    await refused(bed.prepare("long", "", long), isInvalidArgument, /maximum size \(4096 bytes\)/);
    await refused(snapshots.setLabels("c", long), isInvalidArgument, /maximum size \(4096 bytes\)/);
    await refused(all(snapshots.list(["name=x"])), () => true, /filter/);
  });
}
