import { randomUUID } from "node:crypto";
import type { Client } from "containerd-client";
import type { Bench } from "../bench.js";
import { interleaved } from "../measured.js";
import { withMemoryDaemon } from "../memory-daemon.js";
import { atLeast, type Row } from "../row.js";

const ONE = "write 200 blobs of 4 KiB, one at a time";
const EIGHT = "write 200 blobs of 4 KiB, 8 at once";
const ONE_IN_MEMORY = "write 200 blobs of 4 KiB, one at a time, to a daemon whose disk is memory";
const EIGHT_IN_MEMORY = "write 200 blobs of 4 KiB, 8 at once, to a daemon whose disk is memory";
const GO = "Go WriteBlob";

/** Many blobs that fit into one message each. */
export const smallBlobs: Row = {
  name: "small-blobs",
  lines: [
    { what: ONE, unit: "blobs/s", peer: GO, goal: atLeast(1.5) },
    { what: EIGHT, unit: "blobs/s", peer: GO },
    { what: ONE_IN_MEMORY, unit: "blobs/s", peer: GO, goal: atLeast(1.5) },
    { what: EIGHT_IN_MEMORY, unit: "blobs/s", peer: GO },
  ],
  async run(bench) {
    const onDisk = { address: bench.daemon.address, client: bench.client };
    await interleaved(bench.rounds(7), waysTo(bench, onDisk, { [ONE]: 1, [EIGHT]: 8 }));
    await withMemoryDaemon(bench, async (inMemory) => {
      await interleaved(bench.rounds(7), waysTo(bench, inMemory, { [ONE_IN_MEMORY]: 1, [EIGHT_IN_MEMORY]: 8 }));
    });
  },
};

function waysTo(
  bench: Bench,
  { address, client }: { readonly address: string; readonly client: Client },
  lines: Readonly<Record<string, number>>,
): (() => Promise<void>)[] {
  const count = bench.quick ? 50 : 200;
  return Object.entries(lines).flatMap(([what, atOnce]) =>
    [undefined, ...(bench.hasGo ? [GO] : [])].map((peer) => async () => {
      const lease = await client.leases.create();
      const args = [String(count), String(atOnce), randomUUID(), lease.id];
      const run =
        peer === undefined ? bench.ours("small-blobs", args, address) : bench.go("small-blobs", args, address);
      const { output } = await run;
      let held = 0;
      for await (const _ of client.leases.resources(lease)) held += 1;
      if (held !== count) throw new Error(`${held} blobs are there, expected ${count}`);
      await client.leases.delete(lease, { sync: true });
      bench.figures.add(what, (count * 1000) / (output["ms"] ?? Number.NaN), peer);
    }),
  );
}
