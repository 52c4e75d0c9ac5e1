import { afterEach, beforeEach, describe } from "node:test";
import { hostileLayerCases } from "./hostile-layers.js";
import { layerCases } from "./layer-cases.js";
import { SnapshotBed, type SnapshotSubject } from "./snapshot-bed.js";
import { snapshotFileCases } from "./snapshot-files.js";
import { snapshotRecordCases } from "./snapshot-records.js";
import { snapshotRefusalCases } from "./snapshot-refusals.js";

/** What snapshots must do, and layers that are made of them and unpacked over them, whatever is behind it. */
export function snapshotSuite(name: string, make: () => Promise<SnapshotSubject>): void {
  describe(name, () => {
    const bed = new SnapshotBed(make);
    beforeEach(() => bed.begin());
    afterEach(() => bed.end());
    snapshotRecordCases(bed);
    snapshotRefusalCases(bed);
    snapshotFileCases(bed);
    layerCases(bed);
    hostileLayerCases(bed);
  });
}
