import type { Ran } from "../bench.js";
import { INDEX_REF, withLargeStore } from "../large-store.js";
import { interleaved } from "../measured.js";
import type { Row } from "../row.js";

const BLOBS = "list 10,000 blobs";
const CONTAINERS = "list 1,000 containers";
const LIST_GROWTH = "RSS growth, listing both";
const WALK = "walk an index of 1,000 manifests";
const WALK_GROWTH = "RSS growth, walking it";
const GO = "Go";

/** Many small things: they are listed, and walked. */
export const largeStore: Row = {
  name: "large-store",
  lines: [
    { what: BLOBS, unit: "ms", peer: GO },
    { what: CONTAINERS, unit: "ms", peer: GO },
    { what: LIST_GROWTH, unit: "MiB", peer: GO },
    { what: WALK, unit: "ms", peer: GO },
    { what: WALK_GROWTH, unit: "MiB", peer: GO },
  ],
  async run(bench) {
    const sizes = bench.quick
      ? { blobs: 500, containers: 50, manifests: 100 }
      : { blobs: 10_000, containers: 1_000, manifests: 1_000 };
    await withLargeStore(bench, sizes, async (address) => {
      const listed = ({ output }: Ran, peer?: string) => {
        if (output["blobs"] !== sizes.blobs || output["containers"] !== sizes.containers) {
          throw new Error(`${peer ?? "ours"} listed ${JSON.stringify(output)}, expected ${JSON.stringify(sizes)}`);
        }
        bench.figures.add(BLOBS, output["blobsMs"] ?? Number.NaN, peer);
        bench.figures.add(CONTAINERS, output["containersMs"] ?? Number.NaN, peer);
        bench.figures.add(LIST_GROWTH, output["grownMiB"] ?? Number.NaN, peer);
      };
      const walked = ({ output }: Ran, peer?: string) => {
        // The index, and each manifest with a config and a layer.
        const expected = 1 + 3 * sizes.manifests;
        if (output["visited"] !== expected) {
          throw new Error(`${peer ?? "ours"} visited ${output["visited"]}, expected ${expected}`);
        }
        bench.figures.add(WALK, output["ms"] ?? Number.NaN, peer);
        bench.figures.add(WALK_GROWTH, output["grownMiB"] ?? Number.NaN, peer);
      };
      const ours = [
        async () => listed(await bench.ours("list", [], address)),
        async () => walked(await bench.ours("walk", [INDEX_REF], address)),
      ];
      const go = [
        async () => listed(await bench.go("list", [], address), GO),
        async () => walked(await bench.go("walk", [INDEX_REF], address), GO),
      ];
      await interleaved(bench.rounds(5), bench.hasGo ? [...ours, ...go] : ours);
    });
  },
};
