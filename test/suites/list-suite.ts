import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Client } from "../../src/client/client.js";
import { writeBlob } from "../../src/content/blob.js";
import { gcLabels, walk } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeIndex } from "../../src/oci/image-index.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import {
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_MANIFEST,
} from "../../src/oci/media-types.js";
import { RuntimeSpecType } from "../../src/typeurl.js";

/** What the suite runs over. */
interface ListSubject {
  /** A namespace with nothing in it. */
  readonly client: Client;
  /** How many there shall be: writing them takes longer than listing them. */
  readonly blobs: number;
  /** Whether the daemon takes its memory from this process. */
  readonly inside: boolean;
  end(): Promise<void>;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const AT_ONCE = 64;
const CONTAINERS = 1_000;
const MANIFESTS = 1_000;
/** More than one message may hold for all containers together, 20 MiB, and less for each. */
const SPEC_BYTES = 20 * 1024;
/** How many it takes to see what a list holds. */
const MOST_BLOBS = 10_000;
/** On the wire 10,000 of them take more than is read ahead of a reader. */
const LABEL = "l".repeat(1024);

/** Lists of a store that has grown. */
export function listSuite(name: string, make: () => Promise<ListSubject>): void {
  describe(name, () => {
    let subject: ListSubject;
    let client: Client;
    let lease: { readonly id: string };
    before(async () => {
      subject = await make();
      client = subject.client;
      lease = await client.leases.create();
    });
    after(() => subject.end());

    it("names each blob, and holds few of them", async () => {
      const digests = new Set<string>();
      await many(subject.blobs, async (at) => {
        const as = { mediaType: "text/plain", labels: { long: LABEL } };
        const { digest } = await writeBlob(client.content, Buffer.from(`blob ${at}`), as, { lease });
        digests.add(digest);
      });
      let count = 0;
      let least = Number.POSITIVE_INFINITY;
      let peak = 0;
      for await (const { digest, labels } of client.content.list()) {
        assert.ok(digests.delete(digest));
        assert.equal(labels["long"], LABEL);
        if (count++ % 500 !== 0) continue;
        collect();
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        least = Math.min(least, heapUsed + arrayBuffers);
        peak = Math.max(peak, heapUsed + arrayBuffers);
      }
      assert.equal(count, subject.blobs);
      const growth = peak - least;
      // Of fewer all that there is to hold is no more than what the collector leaves lying about.
      const isTelling = !subject.inside && subject.blobs >= MOST_BLOBS;
      assert.ok(!isTelling || growth < subject.blobs * LABEL.length * 0.75, `${growth} bytes more`);
    });

    it("can be left after the first, and finds by filter", async () => {
      for await (const _ of client.content.list()) break;
      const wanted = digestOf(Buffer.from("blob 777"));
      const found: string[] = [];
      for await (const { digest } of client.content.list([`digest==${wanted}`])) found.push(digest);
      assert.deepEqual(found, [wanted]);
    });

    it("names each of 1,000 containers, though one message cannot hold them", async () => {
      const spec = create(AnySchema, {
        typeUrl: RuntimeSpecType.spec,
        value: Buffer.from(JSON.stringify({ ociVersion: "1.2.0", annotations: { long: "s".repeat(SPEC_BYTES) } })),
      });
      await many(CONTAINERS, async (at) => {
        await client.containers.register({ id: `c${at}`, runtime: { name: "io.containerd.runc.v2" }, spec });
      });
      const ids = new Set(Array.from({ length: CONTAINERS }, (_, at) => `c${at}`));
      for await (const record of client.containers.records()) {
        assert.ok(ids.delete(record.id));
        assert.ok((record.spec?.value.length ?? 0) > SPEC_BYTES);
      }
      assert.deepEqual([...ids], []);
      let held = 0;
      for await (const _ of client.containers.list()) held++;
      assert.equal(held, CONTAINERS);
    });

    it("names each of 1,000 images, and walks an index of as many manifests", async () => {
      const manifests: Descriptor[] = [];
      await many(MANIFESTS, async (at) => {
        manifests[at] = await writeManifest(client, lease, at);
      });
      const index = encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests });
      const root = await writeBlob(
        client.content,
        index,
        { mediaType: MEDIA_TYPE_INDEX, labels: gcLabels(manifests) },
        { lease },
      );
      const left = new Set(manifests.map(({ digest }) => digest));
      let nodes = 0;
      for await (const { descriptor } of walk(client.content, root, { concurrency: 8 })) {
        left.delete(descriptor.digest);
        nodes++;
      }
      assert.equal(left.size, 0);
      assert.equal(nodes, 1 + 3 * MANIFESTS);

      await many(MANIFESTS, async (at) => {
        await client.images.create(`image:${at}`, manifests[at] as Descriptor);
      });
      const names = new Set(Array.from({ length: MANIFESTS }, (_, at) => `image:${at}`));
      for await (const image of client.images.list()) names.delete(image.name);
      assert.deepEqual([...names], []);
    });
  });
}

async function writeManifest(client: Client, lease: { readonly id: string }, at: number): Promise<Descriptor> {
  const part = (text: string, mediaType: string): Descriptor => {
    const bytes = Buffer.from(text);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const config = part(`config ${at}`, MEDIA_TYPE_IMAGE_CONFIG);
  const layers = [part(`layer ${at}`, MEDIA_TYPE_LAYER)];
  const bytes = encodeManifest({ schemaVersion: 2, mediaType: MEDIA_TYPE_MANIFEST, config, layers });
  const platform = { os: "linux", architecture: `cpu${at}` };
  return { ...(await writeBlob(client.content, bytes, { mediaType: MEDIA_TYPE_MANIFEST }, { lease })), platform };
}

/** Does something for each number, some at once. */
async function many(count: number, act: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
