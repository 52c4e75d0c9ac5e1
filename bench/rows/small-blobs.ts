import { randomUUID } from "node:crypto";
import { withLease } from "../blobs.js";
import { interleaved } from "../measured.js";
import { atLeast, type Row } from "../row.js";

const ONE = "write 200 blobs of 4 KiB, one at a time";
const EIGHT = "write 200 blobs of 4 KiB, 8 at once";
const GO = "Go WriteBlob";

/** Many blobs that fit into one message each. */
export const smallBlobs: Row = {
  name: "small-blobs",
  lines: [
    { what: ONE, unit: "blobs/s", peer: GO, goal: atLeast(1.5) },
    { what: EIGHT, unit: "blobs/s", peer: GO },
  ],
  async run(bench) {
    const count = bench.quick ? 50 : 200;
    const ways = [ONE, EIGHT].flatMap((what) =>
      [undefined, ...(bench.hasGo ? [GO] : [])].map((peer) => async () => {
        await withLease(bench, async (lease) => {
          const args = [String(count), what === ONE ? "1" : "8", randomUUID(), lease.id];
          const { output } = await (peer === undefined
            ? bench.ours("small-blobs", args)
            : bench.go("small-blobs", args));
          let held = 0;
          for await (const _ of bench.client.leases.resources(lease)) held += 1;
          if (held !== count) throw new Error(`${held} blobs are there, expected ${count}`);
          bench.figures.add(what, (count * 1000) / (output["ms"] ?? Number.NaN), peer);
        });
      }),
    );
    await interleaved(bench.rounds(7), ways);
  },
};
