import assert from "node:assert/strict";
import { it } from "node:test";
import { writeBlob } from "../../src/content/blob.js";
import { copy } from "../../src/content/copy.js";
import { type Descriptor, encodeManifest, MEDIA_TYPE_LAYER, MEDIA_TYPE_MANIFEST } from "../../src/oci/index.js";
import { layoutSubject } from "./layout-bed.js";
import { Peak } from "./peak.js";

const MIB = 1024 * 1024;

async function* zeros(mib: number, mark: number): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(MIB, mark);
  for (let at = 0; at < mib; at++) yield chunk;
}

/** The most memory it takes to copy an image of four layers of so many MiB each. */
async function copied(mib: number): Promise<number> {
  const [from, to] = [await layoutSubject(), await layoutSubject()];
  const layers: Descriptor[] = [];
  for (let at = 0; at < 4; at++)
    layers.push(await writeBlob(from.store, zeros(mib, at), { mediaType: MEDIA_TYPE_LAYER }));
  const config = await writeBlob(from.store, Buffer.from("{}"), { mediaType: "application/vnd.oci.empty.v1+json" });
  const manifest = encodeManifest({ schemaVersion: 2, config, layers });
  const root = await writeBlob(from.store, manifest, { mediaType: MEDIA_TYPE_MANIFEST });
  const peak = new Peak();
  const { bytes } = await copy(from.store, to.store, root, { onProgress: () => peak.look() });
  assert.ok(bytes > 4 * mib * MIB);
  await from.end();
  await to.end();
  return peak.bytes;
}

it("a copy takes the same memory for four times as much", async () => {
  // The first one also pays for what is loaded and compiled along the way.
  await copied(4);
  const small = await copied(5);
  const large = await copied(20);
  // What is held back would show whole; half of it leaves room for a garbage collector that lags behind.
  assert.ok(large - small < 30 * MIB, `${large - small} bytes more for 60 MiB more`);
});
